"""Attention distance is the mean of pixels by attention, written out in loops, and uniform attention its line."""

import keras
import numpy as np
import pytest

from keras_vit.analysis import (
    attention_distance,
    lay_windows,
    uniform_attention_distance,
)
from keras_vit.taps import tap
from keras_vit.testing import small


def images_for(model, count=3):
    return np.random.default_rng(7).normal(size=(count, *model.input.shape[1:])).astype("float32")


def by_hand(matrices, grid, step, renormalize=False):
    """The mean over images and cells of the distance weighted by (B, heads, h * w, h * w), cell by cell."""
    result = np.zeros(matrices.shape[1])
    places = [(y, x) for y in range(grid[0]) for x in range(grid[1])]
    for image in matrices.astype("float64"):
        for head, matrix in enumerate(image):
            for q, (y, x) in enumerate(places):
                far = [np.hypot((y - v) * step[0], (x - u) * step[1]) for v, u in places]
                weights = matrix[q] / matrix[q].sum() if renormalize else matrix[q]
                result[head] += np.dot(weights, far)
    return result / len(matrices) / len(places)


@pytest.mark.parametrize("renormalize", [False, True])
@pytest.mark.parametrize("options", [{}, {"registers": 4}, {"class_token": False, "pool": "mean"}])
def test_distance_of_a_vit_leaves_out_the_tokens_before_the_patches(options, renormalize):
    model = small("vit", image_size=(32, 20), patch=(8, 4), **options)
    images = images_for(model)
    got = attention_distance(model, images, renormalize, batch=2)
    before = model.get_layer("block_0").input.shape[1] - 20
    assert list(got) == ["attention_0", "attention_1", "attention_2"]
    for name, found in got.items():
        matrices = np.asarray(tap(model, name)(images)[name])[:, :, before:, before:]
        np.testing.assert_allclose(found, by_hand(matrices, (4, 5), (8, 4), renormalize), rtol=1e-5)
    assert len(set(np.round(np.concatenate(list(got.values())), 3))) == 9  # no head is like another


def test_distance_of_a_swin_is_that_of_its_windows_on_the_map():
    model = small("swin")  # 7, 4 and 2 cells a side, of 4, 8 and 16 px; windows of 3
    images = images_for(model)
    got = attention_distance(model, images)
    maps = {"stage_0_attention_1": (7, 4), "stage_1_attention_1": (4, 8), "stage_2_attention_0": (2, 16)}
    for name, (side, step) in maps.items():
        whole = lay_windows(model, name, tap(model, name)(images)[name])
        np.testing.assert_allclose(got[name], by_hand(whole, (side, side), (step, step)), rtol=1e-5)


def test_distance_of_a_hybrid_counts_the_strides_of_its_trunk():
    model = small("vit", trunk=(), patch=2, image_size=None)
    images = np.random.default_rng(7).normal(size=(2, 32, 48, 3)).astype("float32")
    matrices = np.asarray(tap(model, "attention_1")(images)["attention_1"])[:, :, 1:, 1:]
    np.testing.assert_allclose(
        attention_distance(model, images)["attention_1"], by_hand(matrices, (4, 6), (8, 8)), rtol=1e-5
    )


def without_preferences(model):
    """Every query is 0, so each token sees all others alike, as far as its block lets it."""
    for layer in model.layers:
        attention = getattr(layer, "attention", None)
        if attention is None:
            continue
        attention = getattr(attention, "within", attention)
        attention.qkv.kernel.assign(0 * np.asarray(attention.qkv.kernel))
        attention.qkv.bias.assign(0 * np.asarray(attention.qkv.bias))
        if hasattr(layer.attention, "within"):
            layer.attention.bias.table.assign(np.zeros(layer.attention.bias.table.shape))
    return model


@pytest.mark.parametrize("renormalize", [False, True])
@pytest.mark.parametrize(
    ("family", "options"), [("vit", {}), ("dinov2", {}), *(("swin", {"padding": p}) for p in ("timm", "masked"))]
)
def test_heads_that_see_everything_alike_lie_on_the_line_of_uniform_attention(family, options, renormalize):
    model = without_preferences(small(family, **options))
    images = images_for(model, 2)
    lines = uniform_attention_distance(model, images, renormalize)
    for name, found in attention_distance(model, images, renormalize).items():
        np.testing.assert_allclose(found, lines[name], rtol=1e-4)


def test_uniform_attention_in_a_row_of_cells_is_the_known_mean():
    model = small("vit", image_size=(8, 56), class_token=False, pool="mean")  # 7 cells of 8 px
    expected = 8 * (7**2 - 1) / (3 * 7)  # mean |i - j|
    assert uniform_attention_distance(model, images_for(model))["attention_2"] == pytest.approx(expected)


def test_bfloat16_comes_near():
    keras.config.set_dtype_policy("mixed_bfloat16")
    model = without_preferences(small("vit"))
    line = uniform_attention_distance(model, images_for(model), True)["attention_1"]
    np.testing.assert_allclose(attention_distance(model, images_for(model), True)["attention_1"], line, rtol=0.01)


def test_models_without_such_distances_are_refused():
    for family, why in (("resnet", "it has no attention"), ("cait", "rows of its talking heads are no shares")):
        model = small(family)
        with pytest.raises(ValueError, match=f"{model.name} has no attention distance: .*{why}; take a model such"):
            attention_distance(model, images_for(model))
    with pytest.raises(ValueError, match=r"vit-ti16 takes images \('B', 32, 32, 3\), not \(1, 16, 32, 3\)"):
        attention_distance(small("vit"), np.ones((1, 16, 32, 3)))
