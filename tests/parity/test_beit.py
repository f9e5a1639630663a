"""BEiT computes what timm and transformers compute on the same random weights."""

import pytest
from kit.references import difference_to, images_of, random_reference, relative, save_reference

from keras_vit import build
from keras_vit.weights import load_weights

pytestmark = pytest.mark.parity
_OURS = {"depth": 2, "classes": 11}  # a kind differs from another in shape, not in depth
_SHARED = {"use_rel_pos_bias": False, "use_shared_rel_pos_bias": True}


def _reference(timm, name, depth=2, **options):
    return _loud(random_reference(timm.create_model(name, num_classes=11, depth=depth, **options)))


def _loud(reference):
    """Makes the position biases of a `reference` large enough to be seen through a softmax."""
    import torch

    with torch.no_grad():
        for path, weight in reference.named_parameters():
            if path.endswith("bias_table"):
                weight.normal_(0, 0.7)
    return reference


@pytest.mark.parametrize(
    ("name", "theirs", "side", "depth"),
    [
        ("beit-b16", "beit_base_patch16_224", 224, 2),
        ("beit-l16-512", "beit_large_patch16_512", 512, 1),
        ("beit-b16-v2", "beitv2_base_patch16_224", 224, 1),
        ("beit-l16-v2", "beitv2_large_patch16_224", 224, 1),
    ],
)
def test_beit_equals_timm(timm, tmp_path, name, theirs, side, depth):
    reference = _reference(timm, theirs, depth)
    path = save_reference(reference, tmp_path / "beit.safetensors")
    assert difference_to(reference, path, name, (side, side), "timm", depth=depth, classes=11) < 1e-4


def test_whole_beit_equals_timm(timm, tmp_path):
    reference = _reference(timm, "beit_base_patch16_224", depth=12, img_size=(96, 160))
    path = save_reference(reference, tmp_path / "beit.safetensors")
    assert difference_to(reference, path, "beit-b16", (96, 160), "timm", classes=11) < 1e-4


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [(_SHARED, {"shared_bias": True}), ({"global_pool": "token"}, {"pool": "token"})],
    ids=["one bias for all blocks", "class token"],
)
def test_other_forms_of_beit_equal_timm(timm, tmp_path, theirs, ours):
    reference = _reference(timm, "beit_base_patch16_224", **theirs)
    path = save_reference(reference, tmp_path / "beit.safetensors")
    assert difference_to(reference, path, "beit-b16", (224, 224), "timm", **_OURS, **ours) < 1e-4


@pytest.mark.parametrize(
    ("size", "shared"), [((384, 384), False), ((96, 160), False), ((80, 64), False), ((96, 160), True)]
)
def test_beit_of_224_px_equals_timm_at_another_size(timm, tmp_path, size, shared):
    from timm.models.beit import checkpoint_filter_fn

    options = _SHARED if shared else {}
    small = _reference(timm, "beit_base_patch16_224", **options)
    path = save_reference(small, tmp_path / "beit.safetensors")
    reference = _reference(timm, "beit_base_patch16_224", img_size=size, **options)
    reference.load_state_dict(checkpoint_filter_fn(dict(small.state_dict()), reference))
    assert difference_to(reference, path, "beit-b16", size, "timm", shared_bias=shared, **_OURS) < 1e-4


@pytest.mark.parametrize("kind", ["per block", "shared", "class token"])
def test_beit_equals_transformers(timm, tmp_path, kind):  # timm: for the operators that torchvision lacks
    import torch

    transformers = pytest.importorskip("transformers")
    shared, pool = kind == "shared", "token" if kind == "class token" else "mean"
    config = transformers.BeitConfig(
        num_hidden_layers=2,
        num_labels=11,
        layer_scale_init_value=0.1,
        layer_norm_eps=1e-6,  # as BEiT itself and timm; transformers' own 1e-12 shows in the 4th digit
        use_relative_position_bias=not shared,
        use_shared_relative_position_bias=shared,
        use_mean_pooling=pool == "mean",
    )
    reference = _loud(random_reference(transformers.BeitForImageClassification(config)))
    reference.save_pretrained(tmp_path)  # under the names of the published files
    model = build("beit-b16", shared_bias=shared, pool=pool, **_OURS)
    assert load_weights(model, tmp_path / "model.safetensors").source == "huggingface"
    images = images_of((224, 224))
    with torch.no_grad():
        expected = reference(torch.from_numpy(images.transpose(0, 3, 1, 2).copy())).logits
    assert relative(model(images, training=False), expected.numpy()) < 1e-4
