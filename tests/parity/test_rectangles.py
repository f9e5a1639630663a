"""Tables of rectangular grids whose number of cells is a square are read as they are, as timm and transformers do."""

import pytest
from kit.references import difference_to, images_of, random_reference, relative, save_reference, torch_output

from keras_vit import build
from keras_vit.weights import load_weights

pytestmark = pytest.mark.parity
_SIZE = (32, 128)  # 2x8 patches of 16
_NARROW = {"width": 24, "heads": 3, "mlp_dim": 96, "depth": 1, "classes": 11}
_THEIRS = {"embed_dim": 24, "num_heads": 3, "depth": 1, "num_classes": 11}


def _loud(reference):
    import torch

    with torch.no_grad():
        for path, weight in reference.named_parameters():
            if "pos_embed" in path or "position" in path:
                weight.normal_(0, 0.7)
    return reference


@pytest.mark.parametrize(
    ("name", "theirs", "size"),
    [
        ("vit-ti16", "vit_tiny_patch16_224", _SIZE),
        ("vit-ti16", "vit_tiny_patch16_224", (256, 64)),
        ("deit-ti16-distilled", "deit_tiny_distilled_patch16_224", _SIZE),
        ("deit3-s16", "deit3_small_patch16_224", _SIZE),
        ("cait-xxs24", "cait_xxs24_224", _SIZE),
        ("beit-b16", "beit_base_patch16_224", (32, 224)),  # distances of 3x27
    ],
)
def test_grid_equals_timm(timm, tmp_path, name, theirs, size):
    reference = _loud(random_reference(timm.create_model(theirs, img_size=size, **_THEIRS)))
    path = save_reference(reference, tmp_path / "model.safetensors")
    assert difference_to(reference, path, name, size, "timm", **_NARROW) < 1e-4


def test_window_equals_timm(timm, tmp_path):
    shape = {"embed_dim": 8, "depths": (2, 2), "num_heads": (1, 2), "num_classes": 11}
    options = {"img_size": (16, 112), "window_size": (2, 14), **shape}
    reference = _loud(random_reference(timm.create_model("swin_tiny_patch4_window7_224", **options)))
    path = save_reference(reference, tmp_path / "model.safetensors")
    ours = {"width": 8, "blocks": (2, 2), "heads": (1, 2), "window": (2, 14), "classes": 11}
    assert difference_to(reference, path, "swin-t", (16, 112), "timm", **ours) < 1e-4


def _save_transformers(kind, folder, **options):
    transformers = pytest.importorskip("transformers")
    shape = {"hidden_size": 24, "num_hidden_layers": 1, "num_attention_heads": 3, "layer_norm_eps": 1e-6}
    config = getattr(transformers, f"{kind}Config")(**shape, **options)
    reference = _loud(random_reference(getattr(transformers, f"{kind}Model")(config)))
    reference.save_pretrained(folder)
    return reference


@pytest.mark.parametrize(("kind", "name"), [("ViT", "vit-ti16"), ("DeiT", "deit-ti16-distilled")])
def test_grid_equals_transformers(timm, tmp_path, kind, name):  # timm: for the operators that torchvision lacks
    reference = _save_transformers(kind, tmp_path, image_size=_SIZE, patch_size=16, intermediate_size=96)
    model = build(name, image_size=_SIZE, **{**_NARROW, "classes": 0})
    report = load_weights(model, tmp_path)
    assert report.source == "huggingface" and not report.of("resized")
    images = images_of(_SIZE)
    expected = torch_output(reference, images).last_hidden_state
    prefix = expected.shape[1] - 16
    features = model(images, training=False)
    assert relative(features["map"], expected[:, prefix:].reshape(2, 2, 8, 24).numpy()) < 1e-4
    assert relative(features["prefix"], expected[:, :prefix].numpy()) < 1e-4


def test_dinov2_of_timm_has_its_own_grid_and_that_of_transformers_is_square(timm, tmp_path):
    """transformers' DINOv2 resizes a square table for every oblong image, also where it has as many positions."""
    size = (28, 112)
    ours = {**_NARROW, "classes": 0, "image_size": size}
    reference = timm.create_model("vit_small_patch14_dinov2", img_size=size, **{**_THEIRS, "num_classes": 0})
    reference = _loud(random_reference(reference))
    model = build("dinov2-s14", save_reference(reference, tmp_path / "timm.safetensors"), **ours)
    images = images_of(size)
    expected = torch_output(reference.forward_features, images)
    assert relative(model(images, training=False)["map"], expected[:, 1:].reshape(2, 2, 8, 24).numpy()) < 1e-4
    _save_transformers("Dinov2", tmp_path, image_size=size, patch_size=14)
    report = load_weights(build("dinov2-s14", **ours), tmp_path)
    assert [row.action for row in report.of("resized")] == ["resized 4x4 to 2x8"]


def test_square_table_of_as_many_positions_equals_timm_when_asked_for(timm, tmp_path):
    from timm.layers import resample_abs_pos_embed

    square = _loud(random_reference(timm.create_model("vit_tiny_patch16_224", img_size=64, **_THEIRS)))
    path = save_reference(square, tmp_path / "vit.safetensors")
    reference = timm.create_model("vit_tiny_patch16_224", img_size=_SIZE, **_THEIRS)
    state = dict(square.state_dict())
    # antialias changes what timm does without cause to resize where the number of positions stays
    state["pos_embed"] = resample_abs_pos_embed(state["pos_embed"], (2, 8), (4, 4), num_prefix_tokens=1)
    reference.load_state_dict(state)
    model = build("vit-ti16", image_size=_SIZE, **_NARROW)
    assert "16 positions are taken as 2x8; pass square=True" in str(load_weights(model, path))
    report = load_weights(model, path, square=True)
    assert [row.action for row in report.of("resized")] == ["resized 4x4 to 2x8"]
    images = images_of(_SIZE)
    assert relative(model(images, training=False), torch_output(reference.eval(), images).numpy()) < 1e-4
