"""RandAugment, 3-Augment and random erasing against what their papers say, checked in NumPy."""

import collections

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image, ImageEnhance, ImageOps

from keras_vit.data import AUGMENTATIONS, Preprocessing
from keras_vit.data.augmentation import operations, policies
from keras_vit.data.augmentation.geometry import IDENTITY

FILL = (124.0, 116.0, 104.0)
SEEDS = tf.random.split(tf.constant([5, 7], "int64"), 300)


@pytest.fixture(scope="module")
def image():
    return np.random.default_rng(2).integers(1, 256, (23, 31, 3), dtype="uint8")


@pytest.fixture
def operation_that_says_its_level(monkeypatch):
    """Each operation adds to the list its name and what it was given, and changes nothing."""
    calls = []

    def recording(name):
        def record(image, level, sign, fill):
            tf.py_function(lambda *values: calls.append((name, *map(float, values))), [level, sign], [])
            return image, tf.constant(IDENTITY)

        return record

    monkeypatch.setattr(policies, "RAND_AUGMENT", {name: recording(name) for name in policies.RAND_AUGMENT})
    return calls


def test_operations_levels_and_signs_are_drawn_as_deit_drew_them(image, operation_that_says_its_level):
    calls = operation_that_says_its_level
    for seed in SEEDS:
        policies.rand_augment(image, seed, FILL)
    assert len(calls) == pytest.approx(300, abs=40)  # half of two each
    names, levels, signs = zip(*calls, strict=True)
    counts = collections.Counter(names)
    assert len(counts) == 15 and max(counts.values()) < 3 * 20  # 20 each
    assert np.mean(levels) == pytest.approx(0.9, abs=0.01) and np.std(levels) == pytest.approx(0.05, abs=0.01)
    assert max(levels) <= 1 and abs(np.mean(signs)) < 0.2 and set(signs) == {-1.0, 1.0}


def test_number_and_probability_of_operations_are_as_asked(image, operation_that_says_its_level):
    for seed in SEEDS[:20]:
        policies.rand_augment(image, seed, FILL, count=3, probability=1.0, magnitude=20.0)
    assert len(operation_that_says_its_level) == 60
    assert {level for _, level, _ in operation_that_says_its_level} == {1.0}


def pillow(name, image, level, sign):
    """What timm's RandAugment with "inc1" does at `level` of 10, with Pillow."""
    shown = Image.fromarray(image)
    height, width = image.shape[:2]

    def moved(*matrix):
        fill = tuple(map(int, FILL))
        return shown.transform(shown.size, Image.Transform.AFFINE, matrix, Image.Resampling.BILINEAR, fillcolor=fill)

    factor = max(0.1, 1 + sign * level / 10 * 0.9)
    return np.asarray(
        {
            "auto contrast": lambda: ImageOps.autocontrast(shown),
            "equalize": lambda: ImageOps.equalize(shown),
            "invert": lambda: ImageOps.invert(shown),
            "rotate": lambda: shown.rotate(
                sign * level / 10 * 30, Image.Resampling.BILINEAR, fillcolor=tuple(map(int, FILL))
            ),
            "posterize": lambda: ImageOps.posterize(shown, 4 - int(level / 10 * 4)),
            "solarize": lambda: ImageOps.solarize(shown, 256 - int(level / 10 * 256)),
            "solarize add": lambda: shown.point(
                [min(255, i + int(level / 10 * 110)) if i < 128 else i for i in range(256)] * 3
            ),
            "color": lambda: ImageEnhance.Color(shown).enhance(factor),
            "contrast": lambda: ImageEnhance.Contrast(shown).enhance(factor),
            "brightness": lambda: ImageEnhance.Brightness(shown).enhance(factor),
            "sharpness": lambda: ImageEnhance.Sharpness(shown).enhance(factor),
            "shear x": lambda: moved(1, sign * level / 10 * 0.3, 0, 0, 1, 0),
            "shear y": lambda: moved(1, 0, 0, sign * level / 10 * 0.3, 1, 0),
            "translate x": lambda: moved(1, 0, sign * level / 10 * 0.45 * width, 0, 1, 0),
            "translate y": lambda: moved(1, 0, 0, 0, 1, sign * level / 10 * 0.45 * height),
        }[name]()
    )


@pytest.mark.parametrize(("level", "sign"), [(8.7, 1.0), (3.1, -1.0)])
@pytest.mark.parametrize("name", policies.RAND_AUGMENT)
def test_level_means_what_it_means_to_pillow(name, level, sign, image):
    got, _ = policies.RAND_AUGMENT[name](tf.constant(image), tf.constant(level / 10), tf.constant(sign), FILL)
    off = np.abs(got.numpy().astype(int) - pillow(name, image, level, sign)).max(-1) > 1
    assert off.mean() < 0.005


def test_three_augment_makes_one_of_three_changes_then_jitters(image):
    def roughness(each):
        return np.abs(np.diff(each.astype(int), axis=0)).mean() / np.abs(np.diff(image.astype(int), axis=0)).mean()

    kinds, blurred = {"grey": 0, "solarized": 0, "blurred": 0}, []
    for seed in SEEDS[:60]:
        got = policies.three_augment(image, seed, jitter=0.0).numpy()
        if np.array_equal(got, operations.grey(image)):
            kinds["grey"] += 1
        elif np.array_equal(got, ImageOps.solarize(Image.fromarray(image), 128)):
            kinds["solarized"] += 1
        else:
            kinds["blurred"] += 1
            blurred.append(roughness(got))
    assert max(blurred) <= 1 and np.mean(blurred) < 0.5  # by 0.1 pixels nothing changes, by 2 almost all is gone
    assert min(kinds.values()) > 10, kinds


def test_jitter_changes_each_enhancement_in_every_order(image, monkeypatch):
    orders, factors = collections.Counter(), []

    def recording(name):
        def record(x, factor):
            tf.py_function(lambda value: (order.append(name), factors.append(float(value))), [factor], [])
            return x

        return record

    for name in ("brightness", "contrast", "color"):
        monkeypatch.setattr(operations, name, recording(name))
    for seed in SEEDS[:60]:
        order = []
        policies.three_augment(image, seed)
        orders[tuple(order)] += 1
    assert len(orders) == 6 and all(len(set(each)) == 3 for each in orders)
    assert 0.7 <= min(factors) < 0.75 and 1.25 < max(factors) <= 1.3


def test_erasing_fills_one_box_of_bounded_size_with_normal_noise():
    blank = np.full((61, 47, 3), 50.0, "float32")
    areas, aspects, noise, places = [], [], [], []
    for seed in SEEDS:
        erased = (policies.erase(blank, seed, probability=0.4).numpy() != 50).all(-1)
        if not erased.any():
            continue
        rows, columns = erased.any(1), erased.any(0)
        assert np.array_equal(erased, rows[:, None] & columns[None, :])
        assert (np.diff(np.flatnonzero(rows)) == 1).all() and (np.diff(np.flatnonzero(columns)) == 1).all()
        areas.append(erased.mean())
        aspects.append(rows.sum() / columns.sum())
        noise.append(policies.erase(blank, seed, probability=1.0).numpy()[erased])
        places.append((np.flatnonzero(rows)[0], np.flatnonzero(columns)[0]))
    assert len(areas) == pytest.approx(0.4 * 300, abs=30)
    assert 0.015 < min(areas) < 0.05 and 0.28 < max(areas) < 0.35
    assert 0.2 < min(aspects) < 0.5 and 2 < max(aspects) < 4.5
    noise = np.concatenate(noise)
    assert abs(noise.mean()) < 0.02 and abs(noise.std() - 1) < 0.02
    assert np.min(places) == 0 and len(set(places)) > 80


def test_erasing_never_and_always(image):
    image = image.astype("float32")
    for seed in SEEDS[:10]:
        np.testing.assert_array_equal(policies.erase(image, seed, probability=0.0), image)
        assert not np.array_equal(policies.erase(image, seed, probability=1.0), image)


@pytest.mark.parametrize("name", ["randaugment", "three-augment"])
def test_augmentation_in_a_graph_is_the_one_drawn_eagerly(name, image):
    """A pipeline traces every branch; the seed alone must decide, not what was traced."""
    preprocessing = Preprocessing((16, 24), 3)
    data = tf.data.Dataset.from_tensor_slices(SEEDS[:9])
    piped = list(data.map(lambda seed: AUGMENTATIONS[name](tf.constant(image), preprocessing, seed)[0]))
    for seed, got in zip(SEEDS, piped, strict=False):
        np.testing.assert_allclose(AUGMENTATIONS[name](image, preprocessing, seed)[0], got, atol=1.5 / 127)
