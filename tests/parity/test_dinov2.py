"""DINOv2 computes what timm and transformers compute on the same random weights."""

import numpy as np
import pytest
from kit.references import difference_to, images_of, random_reference, relative, save_reference, torch_output

from keras_vit import build
from keras_vit.weights import load_weights

pytestmark = pytest.mark.parity
_KINDS = {
    "dinov2-s14": "vit_small_patch14_dinov2",
    "dinov2-s14-reg4": "vit_small_patch14_reg4_dinov2",
    "dinov2-g14": "vit_giant_patch14_dinov2",
    "dinov2-g14-reg4": "vit_giant_patch14_reg4_dinov2",
}


def _reference(timm, name, **options):
    return random_reference(timm.create_model(name, depth=2, **options))


@pytest.mark.parametrize("name", _KINDS)
def test_classifier_equals_timm_at_another_size(timm, tmp_path, name):
    from timm.models.vision_transformer import checkpoint_filter_fn

    narrow = {"embed_dim": 384, "num_heads": 6, "num_classes": 11}  # giants too
    native = _reference(timm, _KINDS[name], **narrow)
    path = save_reference(native, tmp_path / "dinov2.safetensors")
    reference = _reference(timm, _KINDS[name], img_size=(98, 154), **narrow)
    reference.load_state_dict(checkpoint_filter_fn(dict(native.state_dict()), reference))
    ours = {"width": 384, "heads": 6, "mlp_dim": 1024 if "g14" in name else 1536, "depth": 2, "classes": 11}
    assert difference_to(reference, path, name, (98, 154), "timm", **ours) < 1e-4


@pytest.mark.parametrize("name", ["dinov2-s14", "dinov2-s14-reg4"])
def test_features_equal_timm_at_518_px(timm, tmp_path, name):
    reference = _reference(timm, _KINDS[name])
    path = save_reference(reference, tmp_path / "dinov2.safetensors")
    images = images_of((518, 518), count=1)
    reference.forward = reference.forward_features
    model = build(name, path, depth=2)
    assert relative(_tokens(model, images), torch_output(reference, images).numpy()) < 1e-4


@pytest.mark.parametrize("registers", [0, 4])
@pytest.mark.parametrize("gated", [False, True])
def test_features_equal_transformers(timm, tmp_path, registers, gated):  # timm: for what torchvision lacks
    transformers = pytest.importorskip("transformers")
    kind = "WithRegisters" if registers else ""
    size = {"hidden_size": 48, "num_hidden_layers": 2, "num_attention_heads": 3, "image_size": 70, "patch_size": 14}
    config = getattr(transformers, f"Dinov2{kind}Config")(**size, use_swiglu_ffn=gated)
    reference = random_reference(getattr(transformers, f"Dinov2{kind}Model")(config))
    reference.save_pretrained(tmp_path)  # under the names of the published files
    images = images_of((70, 70))
    expected = torch_output(reference, images).last_hidden_state.numpy()
    ours = {"width": 48, "depth": 2, "heads": 3, "mlp_dim": 128 if gated else 192, "image_size": 70}
    model = build(f"dinov2-{'g' if gated else 's'}14{'-reg4' if registers else ''}", **ours)
    assert load_weights(model, tmp_path / "model.safetensors").source == "huggingface"
    assert relative(_tokens(model, images), expected) < 1e-4


def _tokens(model, images):
    features = {name: np.array(each) for name, each in model(images, training=False).items()}
    count, *_, width = features["map"].shape
    return np.concatenate([features["prefix"], features["map"].reshape(count, -1, width)], axis=1)
