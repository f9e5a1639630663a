"""Augmentations against their properties, checked in NumPy."""

import numpy as np
import pytest
import tensorflow as tf

from keras_vit.data import AUGMENTATIONS, Preprocessing

PLAIN = Preprocessing((24, 16), 3, mean=0.0, std=1.0)
SEEDS = [tf.constant([3, number], "int64") for number in range(40)]


@pytest.fixture(scope="module")
def image():
    return np.random.default_rng(2).integers(1, 256, (24, 16, 3), dtype="uint8")


def run(name, image, seed, preprocessing=PLAIN):
    return AUGMENTATIONS[name](image, preprocessing, seed)[0].numpy()


@pytest.mark.parametrize("name", AUGMENTATIONS)
def test_augmentation_is_a_function_of_its_seed_alone(name, image):
    tf.random.set_seed(1)
    once = run(name, image, SEEDS[0])
    tf.random.set_seed(2)
    np.testing.assert_array_equal(run(name, image, SEEDS[0]), once)
    assert once.shape == (24, 16, 3) and once.dtype == np.float32
    others = [np.array_equal(run(name, image, seed), once) for seed in SEEDS[1:4]]
    assert all(others) if name == "none" else not any(others)


@pytest.mark.parametrize("name", AUGMENTATIONS)
def test_augmentation_yields_the_models_shape_from_any_image(name):
    preprocessing = Preprocessing((23, 31), 1, interpolation="bicubic")
    photo = np.random.default_rng(0).integers(0, 256, (61, 43, 1), dtype="uint8")
    got = run(name, photo, SEEDS[0], preprocessing)
    assert got.shape == (23, 31, 1) and got.min() >= -1 and got.max() <= 1


def test_flip_crop_gives_a_crop_of_the_padded_image_or_its_mirror(image):
    padded = np.pad(image / 255, [(3, 3), (2, 2), (0, 0)])
    crops = {(top, left): padded[top : top + 24, left : left + 16] for top in range(7) for left in range(5)}
    seen = set()
    for seed in SEEDS:
        got = run("flip-crop", image, seed)
        hits = [
            (place, mirrored)
            for place, crop in crops.items()
            for mirrored, version in ((False, crop), (True, crop[:, ::-1]))
            if np.allclose(got, version, atol=1e-6)
        ]
        assert len(hits) == 1
        seen.add(hits[0])
    assert {mirrored for _, mirrored in seen} == {False, True}
    assert len({place for place, _ in seen}) > 12  # of 35, in 40 draws


def test_affine_keeps_the_centre_of_mass_within_its_shift_and_never_flips():
    height, width = PLAIN.image_size
    blob = np.zeros((24, 16, 3), "uint8")
    blob[9:12, 3:6] = 255  # above and left of the centre
    rows, columns = np.mgrid[:height, :width]
    places = []
    for seed in SEEDS:
        got = run("affine", blob, seed)[..., 0]
        places.append([(rows * got).sum() / got.sum(), (columns * got).sum() / got.sum()])
    drift = np.array(places) - (10, 4)
    # 10 % of the sides, and 10 degrees or 10 % of the blob's 3.8 pixels from the centre, and half a pixel
    assert np.abs(drift[:, 0]).max() < 2.4 + 0.8 + 0.5 and np.abs(drift[:, 1]).max() < 1.6 + 0.8 + 0.5
    assert drift.std(0).min() > 0.5


def test_affine_continues_the_paper_beyond_the_edge():
    white = np.full((24, 16, 3), 255, "uint8")
    np.testing.assert_allclose([run("affine", white, seed) for seed in SEEDS[:7]], 1, atol=1e-5)


def test_random_resized_crop_shows_a_rectangle_of_the_image_at_bounded_proportions():
    # Pixel values are coordinates, so the output tells which rectangle it shows.
    rows, columns = np.mgrid[:120, :200]
    photo = np.stack([rows * 2, columns, np.zeros_like(rows)], -1).astype("uint8")
    areas, mirrored = [], []
    for seed in SEEDS:
        got = run("random-resized-crop", photo, seed)[..., :2] * 255
        height = (got[-1, :, 0] - got[0, :, 0]).mean() / 2 * 24 / 23
        width = (got[:, -1, 1] - got[:, 0, 1]).mean() * 16 / 15
        areas.append(height * abs(width) / (120 * 200))
        mirrored.append(width < 0)
        assert 0.75 * 0.85 < abs(width) / height / (16 / 24) < 1 / 0.75 / 0.85
    assert min(areas) > 0.06 and max(areas) < 1 and max(areas) / min(areas) > 3
    assert 8 < sum(mirrored) < 32
