"""ViT computes what timm computes on the same random weights."""

import pytest
from kit.references import difference_to, random_reference, save_reference

pytestmark = pytest.mark.parity
_OURS = {"depth": 2, "classes": 11}  # a kind differs from another in shape, not in depth


def _reference(timm, name, **options):
    return random_reference(timm.create_model(name, num_classes=11, depth=2, **options))


@pytest.mark.parametrize(
    ("name", "theirs"),
    [
        ("vit-ti16", "vit_tiny_patch16_224"),
        ("vit-s32", "vit_small_patch32_224"),
        ("vit-s8", "vit_small_patch8_224"),
        ("vit-h14", "vit_huge_patch14_224"),
        ("vit-g14", "vit_giant_patch14_224"),
    ],
)
def test_vit_equals_timm(timm, tmp_path, name, theirs):
    reference = _reference(timm, theirs)
    path = save_reference(reference, tmp_path / "vit.safetensors")
    assert difference_to(reference, path, name, (224, 224), "timm", **_OURS) < 1e-4


def test_whole_vit_equals_timm(timm, tmp_path):
    reference = random_reference(timm.create_model("vit_tiny_patch16_224"))
    path = save_reference(reference, tmp_path / "vit.safetensors")
    assert difference_to(reference, path, "vit-ti16", (224, 224), "timm") < 1e-4


@pytest.mark.parametrize("size", [(384, 384), (96, 160), (80, 64)])
def test_vit_of_224_px_equals_timm_at_another_size(timm, tmp_path, size):
    from timm.models.vision_transformer import checkpoint_filter_fn

    small = _reference(timm, "vit_tiny_patch16_224")
    path = save_reference(small, tmp_path / "vit.safetensors")
    reference = _reference(timm, "vit_tiny_patch16_224", img_size=size)
    reference.load_state_dict(checkpoint_filter_fn(dict(small.state_dict()), reference))
    assert difference_to(reference, path, "vit-ti16", size, "timm", **_OURS) < 1e-4
