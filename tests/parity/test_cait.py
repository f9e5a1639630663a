"""CaiT computes what timm computes on the same random weights."""

import pytest
from kit.references import difference_to, random_reference, save_reference

pytestmark = pytest.mark.parity
_OURS = {"depth": 2, "classes": 11}


def _reference(timm, name, **options):
    import torch

    reference = random_reference(timm.create_model(name, num_classes=11, **{"depth": 2, **options}))
    with torch.no_grad():
        for path, weight in reference.named_parameters():
            if path.endswith(("proj_l.weight", "proj_w.weight")):
                weight.normal_(0, 0.7)  # heads that whisper would hide in a softmax that is nearly even
    return reference


@pytest.mark.parametrize(
    ("name", "theirs", "side", "depth"),
    [
        ("cait-xxs24", "cait_xxs24_224", 224, 2),
        ("cait-xs24-384", "cait_xs24_384", 384, 2),
        ("cait-m48-448", "cait_m48_448", 448, 1),
    ],
)
def test_cait_equals_timm(timm, tmp_path, name, theirs, side, depth):
    reference = _reference(timm, theirs, depth=depth)
    path = save_reference(reference, tmp_path / "cait.safetensors")
    assert difference_to(reference, path, name, (side, side), "timm", depth=depth, classes=11) < 1e-4


def test_whole_cait_equals_timm(timm, tmp_path):
    reference = _reference(timm, "cait_xxs24_224", depth=24, img_size=(96, 160))
    path = save_reference(reference, tmp_path / "cait.safetensors")
    assert difference_to(reference, path, "cait-xxs24", (96, 160), "timm", classes=11) < 1e-4


def test_mean_pooled_cait_equals_timm(timm, tmp_path):
    reference = _reference(timm, "cait_xxs24_224", global_pool="avg")
    path = save_reference(reference, tmp_path / "cait.safetensors")
    assert difference_to(reference, path, "cait-xxs24", (224, 224), "timm", pool="mean", **_OURS) < 1e-4


@pytest.mark.parametrize("size", [(384, 384), (96, 160), (80, 64)])
def test_cait_of_224_px_equals_timm_at_another_size(timm, tmp_path, size):
    from timm.layers import resample_abs_pos_embed

    small = _reference(timm, "cait_xxs24_224")
    path = save_reference(small, tmp_path / "cait.safetensors")
    state, grid = dict(small.state_dict()), [side // 16 for side in size]
    state["pos_embed"] = resample_abs_pos_embed(state["pos_embed"], grid, num_prefix_tokens=0)
    reference = _reference(timm, "cait_xxs24_224", img_size=size)
    reference.load_state_dict(state)
    assert difference_to(reference, path, "cait-xxs24", size, "timm", **_OURS) < 1e-4
