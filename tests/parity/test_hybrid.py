"""The hybrids of ViT and ResNet compute what timm computes on the same random weights, and are models like others."""

import re

import keras
import numpy as np
import pytest
from kit.references import difference_to, images_of, random_reference, relative, save_reference

from keras_vit import build
from keras_vit.testing import randomise
from keras_vit.weights import CheckpointError, load_weights

_OURS = {"depth": 2, "classes": 11}


def _reference(timm, name, **options):
    return random_reference(timm.create_model(name, num_classes=11, depth=2, **options))


@pytest.mark.parity
@pytest.mark.parametrize(
    ("name", "theirs", "size"),
    [
        ("vit-r-ti16", "vit_tiny_r_s16_p8_224", 224),
        ("vit-r26-s32", "vit_small_r26_s32_224", 224),
        ("vit-r50-b16-384", "vit_base_r50_s16_384", 384),
        ("vit-r50-l32", "vit_large_r50_s32_224", 224),
    ],
)
def test_hybrid_equals_timm(timm, tmp_path, name, theirs, size):
    reference = _reference(timm, theirs)
    path = save_reference(reference, tmp_path / "hybrid.safetensors")
    assert difference_to(reference, path, name, (size, size), "timm", **_OURS) < 1e-4


@pytest.mark.parity
@pytest.mark.parametrize(
    ("name", "theirs", "size"),
    [
        ("vit-r-ti16", "vit_tiny_r_s16_p8_224", (96, 160)),
        ("vit-r50-b16", "vit_base_r50_s16_224", (80, 176)),
    ],
)
def test_hybrid_of_224_px_equals_timm_at_another_size(timm, tmp_path, name, theirs, size):
    from timm.models.vision_transformer import checkpoint_filter_fn

    small = _reference(timm, theirs)
    path = save_reference(small, tmp_path / "hybrid.safetensors")
    reference = _reference(timm, theirs, img_size=size)
    reference.load_state_dict(checkpoint_filter_fn(dict(small.state_dict()), reference))
    assert difference_to(reference, path, name, size, "timm", **_OURS) < 1e-4


def _published(name, array):
    """Yields the names that the release of ViT gives to timm's tensor `name`, with the arrays as they are stored."""
    if array.ndim == 4:
        array = array.transpose(2, 3, 1, 0)
    elif name.endswith("weight"):
        array = array.T
    name = re.sub(r"patch_embed\.backbone\.(stem\.)?conv\.", "conv_root.", name)
    name = re.sub(r"patch_embed\.backbone\.(stem\.)?norm\.", "gn_root.", name)
    name = re.sub(
        r"patch_embed\.backbone\.stages\.(\d)\.blocks\.(\d+)\.",
        lambda m: f"block{int(m[1]) + 1}.unit{int(m[2]) + 1}.",
        name,
    )
    name = name.replace("downsample.conv", "conv_proj").replace("downsample.norm", "gn_proj")
    name = re.sub(r"(unit\d+)\.norm(\d)", r"\1.gn\2", name)
    if ".gn" in name or name.startswith("gn"):
        array = array.reshape(1, 1, 1, -1)
    name = name.replace("patch_embed.proj", "embedding").replace("cls_token", "cls")
    name = name.replace("pos_embed", "Transformer.posembed_input.pos_embedding")
    name = re.sub(r"^norm\.", "Transformer.encoder_norm.", name)
    name = re.sub(r"^blocks\.(\d+)\.", r"Transformer.encoderblock_\1.", name)
    name = name.replace("norm1", "LayerNorm_0").replace("norm2", "LayerNorm_2")
    name = re.sub(r"mlp\.fc(\d)", lambda m: f"MlpBlock_3.Dense_{int(m[1]) - 1}", name)
    name = name.replace("attn.", "MultiHeadDotProductAttention_1.")
    normalised = ".gn" in name or "norm." in name.lower() or "LayerNorm" in name or name.startswith("gn")
    name = name.replace(".weight", ".scale" if normalised else ".kernel").replace(".", "/")
    heads = 3
    if "/qkv/" in name:
        for part, each in zip(("query", "key", "value"), np.split(array, 3, axis=-1), strict=True):
            yield name.replace("qkv", part), each.reshape(*each.shape[:-1], heads, -1)
    elif "/proj/kernel" in name and "Attention" in name:
        yield name.replace("proj", "out"), array.reshape(heads, -1, array.shape[-1])
    else:
        yield name.replace("Attention_1/proj", "Attention_1/out"), array


@pytest.mark.parity
@pytest.mark.parametrize("trunk", [(), (1, 2, 1)])
def test_hybrid_reads_the_npz_of_its_release_as_timm_does(timm, tmp_path, trunk):
    from timm.models import vision_transformer_hybrid as hybrids

    def make(seed):
        parts = {"embed_dim": 192, "depth": 2, "num_heads": 3, "num_classes": 11, "patch_size": 1 if trunk else 8}
        backbone = hybrids._resnetv2(trunk)
        name = "vit_tiny_r_s16_p8_224"
        return random_reference(hybrids._create_vision_transformer_hybrid(name, backbone, **parts), seed)

    path = tmp_path / "hybrid.npz"
    arrays = {}
    for name, each in make(0).state_dict().items():
        arrays.update(_published(name, each.numpy()))
    np.savez(path, **arrays)
    other = make(1)
    other.load_pretrained(path)  # raises where a name of the release is absent
    ours = {**_OURS, "trunk": trunk, "patch": 1 if trunk else 8}
    assert difference_to(other, path, "vit-r-ti16", (224, 224), "npz", **ours) < 1e-4


def _small(**options):
    shape = {"width": 24, "depth": 1, "heads": 3, "mlp_dim": 40, "patch": 1, "trunk": (1, 1), "image_size": 32}
    return build("vit-r26-s32", **{**shape, "classes": 7, **options})


def test_saved_hybrid_computes_the_same(tmp_path):
    model, images = randomise(_small()), images_of((32, 32))
    model.save(tmp_path / "hybrid.keras")
    loaded = keras.models.load_model(tmp_path / "hybrid.keras")
    assert relative(loaded(images, training=False), model(images, training=False)) < 1e-6


def test_hybrid_of_open_size_takes_any_multiple_of_its_stride(tmp_path):
    model = randomise(_small(image_size=None, native_size=32))
    model.save_weights(tmp_path / "hybrid.weights.h5")
    other = _small(image_size=(40, 64))
    load_weights(other, tmp_path / "hybrid.weights.h5")
    images = images_of((40, 64))
    assert relative(model(images, training=False), other(images, training=False)) < 1e-5


def test_hybrid_refuses_a_size_that_its_stride_does_not_divide():
    with pytest.raises(ValueError, match="no multiple of 8: 32 or 40 would be"):
        _small(image_size=36)


def test_stem_of_a_hybrid_is_adapted_to_other_channels(tmp_path):
    model = randomise(_small())
    model.save_weights(tmp_path / "hybrid.weights.h5")
    report = load_weights(_small(channels=5), tmp_path / "hybrid.weights.h5")
    assert [row.ours for row in report.of("adapted")] == ["embed/kernel"]


def test_missing_stem_is_reported_under_all_its_names(tmp_path):
    np.savez(tmp_path / "other.npz", nothing=np.zeros(1))
    names = r"patch_embed\.backbone\.stem\.conv\.weight or patch_embed\.backbone\.conv\.weight"
    with pytest.raises(CheckpointError, match=rf"embed/kernel \(sought as {names}"):
        load_weights(_small(), tmp_path / "other.npz", source="timm")
