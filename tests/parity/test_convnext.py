"""ConvNeXt computes what timm and transformers compute on the same random weights."""

import pytest
from kit.references import difference_to, images_of, random_reference, relative, save_reference, torch_output

from keras_vit import build
from keras_vit.weights import load_weights

pytestmark = pytest.mark.parity
_BLOCKS = (1, 2, 2, 1)  # a kind differs from another in shape, not in depth
_OURS = {"blocks": _BLOCKS, "classes": 11}
_THEIRS = {"depths": _BLOCKS, "num_classes": 11}


@pytest.mark.parametrize(
    ("name", "theirs"),
    [
        ("convnext-atto", "convnext_atto"),  # their MLPs of 1x1 convolutions
        ("convnext-nano", "convnext_nano"),
        ("convnext-t", "convnext_tiny"),
        ("convnext-b", "convnext_base"),
    ],
)
def test_convnext_equals_timm(timm, tmp_path, name, theirs):
    reference = random_reference(timm.create_model(theirs, **_THEIRS))
    path = save_reference(reference, tmp_path / "convnext.safetensors")
    assert difference_to(reference, path, name, (224, 224), "timm", **_OURS) < 1e-4


@pytest.mark.parametrize(("name", "theirs"), [("convnext-atto", "convnext_atto"), ("convnext-t", "convnext_tiny")])
def test_whole_convnext_equals_timm_at_every_size(timm, tmp_path, name, theirs):
    reference = random_reference(timm.create_model(theirs, num_classes=11))
    path = save_reference(reference, tmp_path / "convnext.safetensors")
    for size in [(224, 224), (384, 384), (96, 160), (97, 67)]:
        assert difference_to(reference, path, name, size, "timm", classes=11) < 1e-4, size


def test_maps_of_convnext_equal_timm(timm, tmp_path):
    reference = random_reference(timm.create_model("convnext_femto", **_THEIRS))
    path = save_reference(reference, tmp_path / "convnext.safetensors")
    model = build("convnext-femto", blocks=_BLOCKS, image_size=(96, 160), classes=0)
    load_weights(model, path, leave="head")
    images = images_of((96, 160))
    features = model(images, training=False)
    expected = torch_output(reference.forward_intermediates, images)[1]
    for i, each in enumerate(expected):
        assert relative(features[f"stage_{i}"], each.permute(0, 2, 3, 1).numpy()) < 1e-4
    assert relative(features["map"], features["stage_3"]) == 0


def test_convnext_equals_transformers(timm, tmp_path):  # timm: for the operators that torchvision lacks
    import torch

    transformers = pytest.importorskip("transformers")
    config = transformers.ConvNextConfig(
        depths=_BLOCKS,
        num_labels=11,
        layer_norm_eps=1e-6,  # of the last norm, as ConvNeXt itself and timm; transformers' own is 1e-12
    )
    reference = random_reference(transformers.ConvNextForImageClassification(config))
    reference.save_pretrained(tmp_path)  # under the names of the published files
    for size in [(224, 224), (96, 160)]:
        model = build("convnext-t", image_size=size, **_OURS)
        assert load_weights(model, tmp_path / "model.safetensors").source == "huggingface"
        images = images_of(size)
        with torch.no_grad():
            expected = reference(torch.from_numpy(images.transpose(0, 3, 1, 2).copy())).logits
        assert relative(model(images, training=False), expected.numpy()) < 1e-4
