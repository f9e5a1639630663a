"""The share of a map on the object follows its definition, pixel by pixel, and refuses what has none."""

import numpy as np
import pytest

import keras_vit
from keras_vit import analysis
from keras_vit.analysis import object_area, object_mass
from keras_vit.testing import randomise


def finely(maps, masks):
    """The share counted on so fine a raster that cells and pixels are both whole squares of it."""
    height, width = (cells * pixels for cells, pixels in zip(maps.shape[-2:], masks.shape[-2:], strict=True))
    rows, columns = np.arange(height), np.arange(width)
    on = masks[:, rows * masks.shape[1] // height][:, :, columns * masks.shape[2] // width]
    mass = maps[..., rows * maps.shape[-2] // height, :][..., columns * maps.shape[-1] // width]
    return (mass * on).sum(axis=(-2, -1)) / mass.sum(axis=(-2, -1))


@pytest.fixture
def masks(rng):
    return rng.random((5, 13, 11)) < 0.3


@pytest.mark.parametrize("grid", [(3, 2), (13, 11), (2, 7), (17, 19)])
def test_cells_belong_to_the_object_by_the_area_that_it_covers(rng, masks, grid):
    maps = rng.random((5, *grid))
    np.testing.assert_allclose(object_mass(maps, masks), finely(maps, masks), rtol=1e-10)


def test_even_map_gives_the_share_of_the_area(masks):
    expected = [mask.sum() / 143 for mask in masks]
    np.testing.assert_allclose(object_area(masks), expected)
    np.testing.assert_allclose(object_mass(np.full((5, 3, 7), 0.2), masks), expected)


def test_map_that_is_the_mask_gives_1_and_its_opposite_0(masks):
    np.testing.assert_allclose(object_mass(masks * 7, masks), 1)
    np.testing.assert_allclose(object_mass(~masks * 7, masks), 0, atol=1e-12)


def test_each_head_has_its_share_and_units_do_not_count(rng, masks):
    maps = rng.random((5, 3, 4, 2))
    shares = object_mass(maps, masks)
    assert shares.shape == (5, 3)
    for head in range(3):
        np.testing.assert_allclose(shares[:, head], object_mass(maps[:, head] * 1e6, masks))


def test_map_without_mass_has_no_share(masks):
    maps = np.ones((5, 3, 2))
    maps[3] = 0
    np.testing.assert_array_equal(np.isnan(object_mass(maps, masks)), [False, False, False, True, False])


def test_masks_of_0_and_1_are_those_of_false_and_true(rng, masks):
    maps = rng.random((5, 3, 2))
    np.testing.assert_array_equal(object_mass(maps, masks.astype("uint8")), object_mass(maps, masks))


@pytest.mark.parametrize("method", ["raw", "dino", "rollout", "gradient", "gradcam"])
def test_every_method_of_attention_can_be_measured(rng, masks, method):
    options = {"width": 12, "depth": 2, "heads": 3, "mlp_dim": 20, "patch": 8, "classes": 5}
    model = randomise(keras_vit.build("vit-ti16", image_size=(16, 24), **options))
    shares = object_mass(analysis.attention(model, rng.normal(size=(5, 16, 24, 3)).astype("float32"), method), masks)
    assert shares.shape in ((5,), (5, 3)) and np.nanmin(shares) >= 0 and np.nanmax(shares) <= 1


def test_what_can_not_be_measured_is_refused(rng, masks):
    maps = rng.random((5, 3, 2))
    with pytest.raises(ValueError, match=r"maps are \(5, h, w\) or \(5, heads, h, w\), not \(4, 3, 2\)"):
        object_mass(maps[:4], masks)
    with pytest.raises(ValueError, match=r"not \(5, 3\)"):
        object_mass(maps[..., 0], masks)
    with pytest.raises(ValueError, match=r"maps hold -0.25, and mass is at least 0"):
        object_mass(np.where(maps == maps.max(), -0.25, maps), masks)
    with pytest.raises(ValueError, match="not finite"):
        object_mass(np.where(maps == maps.max(), np.nan, maps), masks)
    for measure in (lambda given: object_mass(maps, given), object_area):
        with pytest.raises(ValueError, match=r"masks are \(B, H, W\), not \(13, 11\)"):
            measure(masks[0])
        with pytest.raises(ValueError, match=r"masks are True or 1 .* masks > 127"):
            measure(masks * 255)
        with pytest.raises(ValueError, match="2 of 5 masks have no pixel of an object, such as number 1"):
            measure(masks & np.array([True, False, True, True, False])[:, None, None])
