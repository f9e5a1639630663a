"""Damaged images: what each damage does, from NumPy written out, and that its seed alone decides."""

import numpy as np
import pytest

from keras_vit import data
from keras_vit.data.corruptions import GRID


@pytest.fixture
def images(rng):
    return rng.random((5, 16, 24, 3)).astype("float32")


def _all_levels():
    return [(kind, level) for kind, each in data.CORRUPTIONS.items() for level in each.levels]


@pytest.mark.parametrize(("kind", "level"), _all_levels())
def test_damage_is_a_function_of_image_and_seed(images, kind, level):
    before = images.copy()
    found = data.corrupt(images, kind, level, seed=3)
    assert found.shape == images.shape and found.dtype == "float32"
    assert found.min() >= 0 and found.max() <= 1 and np.array_equal(images, before)
    assert np.array_equal(found, data.corrupt(images, kind, level, seed=3))
    np.testing.assert_allclose(found[:2], data.corrupt(images[:2], kind, level, seed=3), atol=1e-6)
    other = data.corrupt(images, kind, level, seed=4)
    assert np.array_equal(found, other) == (kind in ("blur", "contrast"))


@pytest.mark.parametrize("kind", data.CORRUPTIONS)
def test_levels_rise_and_none_changes_nothing(images, kind):
    assert np.array_equal(data.corrupt(images, kind, 0), images)
    harm = [np.abs(data.corrupt(images, kind, level) - images).mean() for level in data.CORRUPTIONS[kind].levels]
    assert harm == sorted(harm) and harm[0] > 0


def test_noise_has_its_deviation():
    grey = np.full((7, 32, 32, 3), 0.5, "float32")
    found = data.corrupt(grey, "noise", 0.1) - grey
    assert abs(found.std() - 0.1) < 0.002 and abs(found.mean()) < 0.002


def test_blur_of_a_point_is_a_gaussian_and_keeps_even_images_as_they_are():
    point = np.zeros((1, 31, 31, 1), "float32")
    point[0, 15, 15] = 1
    found = data.corrupt(point, "blur", 2 / 31)[0, :, :, 0]
    y, x = np.indices((31, 31)) - 15
    expected = np.exp(-(y**2 + x**2) / (2 * 2.0**2))
    np.testing.assert_allclose(found, expected / expected.sum(), atol=1e-5)
    even = np.full((2, 16, 24, 3), 0.37, "float32")
    np.testing.assert_allclose(data.corrupt(even, "blur", 0.06), even, atol=1e-6)


def test_contrast_keeps_the_mean_and_scales_the_deviation(images):
    found = data.corrupt(images, "contrast", 0.75)
    np.testing.assert_allclose(found.mean(axis=(1, 2)), images.mean(axis=(1, 2)), atol=1e-6)
    np.testing.assert_allclose(found.std(axis=(1, 2)), 0.25 * images.std(axis=(1, 2)), rtol=1e-4)


def test_occlusion_paints_whole_cells_in_the_mean_colour(images):
    found = data.corrupt(images, "occlusion", 0.25, seed=5)
    cells = (found == images).all(axis=-1).reshape(5, GRID, 2, GRID, 3).swapaxes(2, 3).reshape(5, GRID * GRID, 6)
    whole, hidden = cells.all(axis=-1), ~cells.any(axis=-1)
    assert (whole | hidden).all() and (hidden.sum(axis=1) == 16).all()
    assert len({tuple(each) for each in hidden}) == 5  # each image has its own
    for before, after in zip(images, found, strict=True):
        painted = after[(after != before).all(axis=-1)]
        np.testing.assert_allclose(painted, np.broadcast_to(before.mean(axis=(0, 1)), painted.shape), atol=1e-6)


@pytest.mark.parametrize("side", [2, 4, 8])
def test_shuffling_moves_whole_cells(images, side):
    found = data.corrupt(images, "shuffle", side, seed=5)
    high, wide = 16 // side, 24 // side
    for before, after in zip(images, found, strict=True):
        cells = [
            sorted(each[y : y + high, x : x + wide].tobytes() for y in range(0, 16, high) for x in range(0, 24, wide))
            for each in (before, after)
        ]
        assert cells[0] == cells[1]


def test_what_cannot_be_done_is_quoted(images):
    for wrong, message in (
        (("rain", 1), "no damage 'rain'; it is one of noise, blur"),
        (("noise", -1), "above 0, or 0 for none, not -1"),
        (("occlusion", 1.5), "above 0 and at most 1, or 0 for none, not 1.5"),
        (("shuffle", 5), "5 by 5 cells don't fit into images of 16 by 24"),
        (("shuffle", 2.5), "2.5 by 2.5 cells"),
    ):
        with pytest.raises(ValueError, match=message):
            data.corrupt(images, *wrong)
    with pytest.raises(ValueError, match="of 0 to 1"):
        data.corrupt(images * 255, "noise", 0.1)
    with pytest.raises(ValueError, match=r"\(16, 24, 3\)"):
        data.corrupt(images[0], "noise", 0.1)
