"""Swin computes what timm and transformers compute on the same random weights."""

import pytest
from kit.references import difference_to, images_of, random_reference, relative, save_reference, torch_output

from keras_vit import build
from keras_vit.weights import load_weights

pytestmark = pytest.mark.parity
_BLOCKS, _HEADS = (2, 2, 2, 2), (1, 2, 4, 8)  # a kind differs from another in shape, not in depth
_OURS = {"blocks": _BLOCKS, "classes": 11}
_NARROW = {"width": 24, "heads": _HEADS, **_OURS}
_THEIRS = {"depths": _BLOCKS, "num_classes": 11}
_WINDOW_7, _WINDOW_12 = "swin_tiny_patch4_window7_224", "swin_base_patch4_window12_384"


def _reference(timm, name, **options):
    return _loud(random_reference(timm.create_model(name, **{**_THEIRS, **options})))


def _narrow(timm, name, **options):
    return _reference(timm, name, embed_dim=24, num_heads=_HEADS, **options)


def _loud(reference):
    """Makes the position biases of a `reference` large enough to be seen through a softmax."""
    import torch

    with torch.no_grad():
        for path, weight in reference.named_parameters():
            if path.endswith("bias_table"):
                weight.normal_(0, 0.7)
    return reference


def test_swin_of_larger_windows_equals_timm(timm, tmp_path):
    reference = _reference(timm, _WINDOW_12)
    path = save_reference(reference, tmp_path / "swin.safetensors")
    assert difference_to(reference, path, "swin-b-384", (384, 384), "timm", **_OURS) < 1e-4


def test_whole_swin_equals_timm(timm, tmp_path):
    reference = _reference(timm, _WINDOW_7, depths=(2, 2, 6, 2))
    path = save_reference(reference, tmp_path / "swin.safetensors")
    assert difference_to(reference, path, "swin-t", (224, 224), "timm", classes=11) < 1e-4


@pytest.mark.parametrize("size", [(384, 384), (224, 160), (256, 192), (36, 68)])
def test_swin_of_224_px_equals_timm_at_another_size(timm, tmp_path, size):
    from timm.models.swin_transformer import checkpoint_filter_fn

    small = _narrow(timm, _WINDOW_7)
    path = save_reference(small, tmp_path / "swin.safetensors")
    reference = _narrow(timm, _WINDOW_7, img_size=size)
    reference.load_state_dict(checkpoint_filter_fn(dict(small.state_dict()), reference))
    assert difference_to(reference, path, "swin-t", size, "timm", **_NARROW) < 1e-4


def test_swin_saved_with_smaller_windows_equals_timm(timm, tmp_path):
    reference = _narrow(timm, _WINDOW_7, img_size=(36, 68))
    path = save_reference(reference, tmp_path / "swin.safetensors")
    assert difference_to(reference, path, "swin-t", (36, 68), "timm", **_NARROW) < 1e-4


@pytest.mark.parametrize("size", [(384, 384), (256, 192)])
def test_swin_takes_windows_of_another_size_as_timm(timm, tmp_path, size):
    from timm.models.swin_transformer import checkpoint_filter_fn

    small = _narrow(timm, _WINDOW_7)
    path = save_reference(small, tmp_path / "swin.safetensors")
    reference = _narrow(timm, _WINDOW_12, img_size=size)
    reference.load_state_dict(checkpoint_filter_fn(dict(small.state_dict()), reference))
    model = build("swin-b-384", image_size=size, **_NARROW)
    report = load_weights(model, path)
    assert len(report.of("resized")) == sum(_BLOCKS)
    images = images_of(size)
    assert relative(model(images, training=False), torch_output(reference, images).numpy()) < 1e-4


def test_maps_of_swin_equal_timm(timm, tmp_path):
    size = (224, 160)
    reference = _narrow(timm, _WINDOW_7, img_size=size)
    path = save_reference(reference, tmp_path / "swin.safetensors")
    model = build("swin-t", image_size=size, **{**_NARROW, "classes": 0})
    load_weights(model, path, leave="head")
    images = images_of(size)
    features = model(images, training=False)
    final, stages = torch_output(reference.forward_intermediates, images)
    for i, each in enumerate(stages):
        assert relative(features[f"stage_{i}"], each.permute(0, 2, 3, 1).numpy()) < 1e-4
    assert relative(features["map"], final.numpy()) < 1e-4


@pytest.mark.parametrize("size", [(224, 224), (253, 291)])
def test_swin_equals_transformers(timm, tmp_path, size):  # timm: for the operators that torchvision lacks
    import torch

    transformers = pytest.importorskip("transformers")
    config = transformers.SwinConfig(embed_dim=24, depths=_BLOCKS, num_heads=_HEADS, num_labels=11)
    reference = _loud(random_reference(transformers.SwinForImageClassification(config)))
    reference.save_pretrained(tmp_path)  # under the names of the published files
    model = build("swin-t", image_size=size, padding="original", **_NARROW)
    assert load_weights(model, tmp_path / "model.safetensors").source == "huggingface"
    images = images_of(size)
    with torch.no_grad():
        expected = reference(torch.from_numpy(images.transpose(0, 3, 1, 2).copy())).logits
    assert relative(model(images, training=False), expected.numpy()) < 1e-4
