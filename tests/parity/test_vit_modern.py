"""The later forms of ViT compute what timm computes on the same random weights; ViT reads transformers' names."""

import numpy as np
import pytest
from kit.references import difference_to, images_of, random_reference, relative, save_reference, torch_output

from keras_vit import build
from keras_vit.weights import load_weights

pytestmark = pytest.mark.parity
_OURS = {"depth": 2, "classes": 11}  # a kind differs from another in shape, not in depth
_KINDS = {
    "vit-b16-gap": ("vit_base_patch16_gap_224", 224),
    "vit-b16-reg4-gap": ("vit_base_patch16_reg4_gap_256", 256),
    "vit-medium16-reg4-gap": ("vit_medium_patch16_reg4_gap_256", 256),
    "vit-so150m2-reg1-gap": ("vit_so150m2_patch16_reg1_gap_256", 256),
    "vit-b16-rope": ("vit_base_patch16_rope_224", 224),
    "vit-b16-rope-mixed": ("vit_base_patch16_rope_mixed_224", 224),
    "vit-b16-clip": ("vit_base_patch16_clip_224", 224),
    "vit-l14-clip": ("vit_large_patch14_clip_224", 224),
}


def _reference(timm, name, **options):
    return random_reference(timm.create_model(name, num_classes=11, depth=2, **options))


@pytest.mark.parametrize("name", _KINDS)
def test_modern_vit_equals_timm(timm, tmp_path, name):
    theirs, side = _KINDS[name]
    reference = _reference(timm, theirs)
    path = save_reference(reference, tmp_path / "vit.safetensors")
    assert difference_to(reference, path, name, (side, side), "timm", **_OURS) < 1e-4


@pytest.mark.parametrize("name", ["vit-b16-reg4-gap", "vit-so150m2-reg1-gap", "vit-b16-rope", "vit-b16-rope-mixed"])
def test_modern_vit_equals_timm_at_another_size(timm, tmp_path, name):
    theirs, _ = _KINDS[name]
    size = (96, 160)
    small = _reference(timm, theirs)
    path = save_reference(small, tmp_path / "vit.safetensors")
    reference = _reference(timm, theirs, img_size=size)
    module = timm.models.eva if "rope" in name else timm.models.vision_transformer
    reference.load_state_dict(module.checkpoint_filter_fn(dict(small.state_dict()), reference))
    assert difference_to(reference, path, name, size, "timm", **_OURS) < 1e-4
    opened, images = build(name, image_size=None, **_OURS), images_of(size)
    load_weights(opened, path)
    assert relative(opened(images, training=False), torch_output(reference, images).numpy()) < 1e-4


def test_whole_mixed_rotary_vit_equals_timm(timm, tmp_path):
    narrow = {"embed_dim": 48, "num_heads": 3, "img_size": 96, "num_classes": 11}
    reference = random_reference(timm.create_model("vit_base_patch16_rope_mixed_224", **narrow))
    path = save_reference(reference, tmp_path / "vit.safetensors")
    ours = {"width": 48, "heads": 3, "mlp_dim": 192, "classes": 11}
    assert difference_to(reference, path, "vit-b16-rope-mixed", (96, 96), "timm", **ours) < 1e-4


def test_vit_equals_transformers(timm, tmp_path):  # timm: for the operators that torchvision lacks
    transformers = pytest.importorskip("transformers")
    config = transformers.ViTConfig(
        hidden_size=192,
        num_hidden_layers=2,
        num_attention_heads=3,
        intermediate_size=768,
        num_labels=11,
        layer_norm_eps=1e-6,  # as ViT itself and timm
    )
    reference = random_reference(transformers.ViTForImageClassification(config))
    reference.save_pretrained(tmp_path)  # under the names of the published files
    images = images_of((224, 224))
    expected = torch_output(reference, images)
    model = build("vit-ti16", **_OURS)
    assert load_weights(model, tmp_path / "model.safetensors").source == "huggingface"
    assert relative(model(images, training=False), expected.logits.numpy()) < 1e-4


def test_backbone_equals_transformers_model_without_a_head(timm, tmp_path):
    transformers = pytest.importorskip("transformers")
    size = {"hidden_size": 48, "num_hidden_layers": 2, "num_attention_heads": 3, "intermediate_size": 96}
    config = transformers.ViTConfig(**size, image_size=48, layer_norm_eps=1e-6)
    reference = random_reference(transformers.ViTModel(config, add_pooling_layer=False))
    reference.save_pretrained(tmp_path)
    images = images_of((48, 48))
    expected = torch_output(reference, images).last_hidden_state.numpy()
    ours = {"width": 48, "depth": 2, "mlp_dim": 96, "classes": 0}
    model = build("vit-ti16", tmp_path / "model.safetensors", image_size=48, **ours)
    features = model(images, training=False)
    got = np.concatenate([features["prefix"], np.reshape(features["map"], (2, 9, 48))], axis=1)
    assert relative(got, expected) < 1e-4
