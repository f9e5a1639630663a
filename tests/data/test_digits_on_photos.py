"""Digits on photographs: real ink at the place of the mask, backgrounds that tell neither class nor split."""

import numpy as np
import pytest
from sklearn.datasets import load_digits, load_sample_image
from sklearn.linear_model import LogisticRegression

from keras_vit.data import DataError, Preprocessing, decoder, open_source, steps_per_epoch, training_batches
from keras_vit.data.builders import digits_on_photos

DIGITS = load_digits()
LENGTHS = {"train": 1257, "validation": 180, "test": 360}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("tfds")


@pytest.fixture(scope="module")
def source(folder):
    targets = ("label", "mask")
    return open_source("digits_on_photos/once", targets=targets, data_dir=folder)


@pytest.fixture(scope="module")
def test_split(source):
    """The images, masks and labels of the split "test"."""
    decode = Preprocessing(channels=1).decode
    rows = source.examples("test").map(lambda row: (decode(row["image"]), decode(row["mask"]), row["label"]))
    images, masks, labels = zip(*rows.as_numpy_iterator(), strict=True)
    return np.stack(images)[..., 0].astype(float), np.stack(masks)[..., 0], np.array(labels)


def composed(index, behind, copy=0):
    draw = np.random.default_rng((index, copy))
    return digits_on_photos.compose(DIGITS.images[index] / 16, behind, draw)


def test_every_digit_is_in_one_split(source):
    assert source.sizes == LENGTHS and source.channels == 1 and source.labels == tuple("0123456789")
    splits = [digits_on_photos.split_of(index) for index in range(1797)]
    assert {split: splits.count(split) for split in LENGTHS} == LENGTHS
    assert all((split == "test") == (index % 5 == 0) for index, split in enumerate(splits))  # as in "digits"


def test_labels_are_those_of_the_digits(test_split):
    expected = np.bincount(DIGITS.target[::5], minlength=10)
    np.testing.assert_array_equal(np.bincount(test_split[2], minlength=10), expected)


def test_masks_are_whole_and_the_ink_is_lighter_than_what_is_around(test_split):
    images, masks, _ = test_split
    assert set(np.unique(masks)) == {0, 255}
    assert (masks > 0).mean(axis=(1, 2)).min() > 0.05 and (masks > 0).mean(axis=(1, 2)).max() < 0.3
    inside = np.array([image[mask > 0].mean() for image, mask in zip(images, masks, strict=True)])
    outside = np.array([image[mask == 0].mean() for image, mask in zip(images, masks, strict=True)])
    assert np.mean(inside - outside > 30) > 0.95


def test_object_is_not_what_is_lightest(test_split):
    images, masks, _ = test_split
    elsewhere, found = [], []
    for image, mask in zip(images, masks > 0, strict=True):
        elsewhere.append(image[~mask].max() >= image[mask].max())
        lightest = image > np.quantile(image, 1 - mask.mean())  # as many pixels as the object has
        found.append((lightest & mask).sum() / lightest.sum())
    assert 0.25 < np.mean(elsewhere) < 0.45 and 0.3 < np.mean(found) < 0.85


def test_only_ink_changes_the_background_and_the_mask_is_where_it_is_thick():
    for index in range(0, 90, 7):
        dark, light = (np.full((28, 28), level) for level in (40.0, 120.0))
        (low, mask), (high, same) = composed(index, dark), composed(index, light)
        np.testing.assert_array_equal(mask, same)
        assert low[mask].min() >= 40 + 0.5 * 80 - 1 and low[~mask].max() <= 40 + 0.5 * 120 + 1
        np.testing.assert_allclose(high.astype(int) - low, 80, atol=1)  # the contrast is to what lies beneath
        assert (low == 40).mean() > 0.4


def test_shape_of_the_mask_is_the_shape_of_the_digit():
    for index in range(0, 90, 7):
        _, mask = composed(index, np.full((28, 28), 100.0))
        rows, columns = (np.flatnonzero(mask.any(axis=axis)) for axis in (1, 0))
        cut = mask[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
        ink = DIGITS.images[index] > 8
        rows, columns = (np.flatnonzero(ink.any(axis=axis)) for axis in (1, 0))
        ink = ink[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
        at = [np.arange(count) * known // count for count, known in zip(cut.shape, ink.shape, strict=True)]
        assert (ink[np.ix_(*at)] == cut).mean() > 0.7


def test_digits_lie_anywhere(test_split):
    tops = [np.flatnonzero(mask.any(axis=1))[0] for mask in test_split[1]]
    lefts = [np.flatnonzero(mask.any(axis=0))[0] for mask in test_split[1]]
    assert min(tops) <= 1 and max(tops) >= 9 and min(lefts) <= 3 and max(lefts) >= 12


def test_splits_share_no_part_of_a_photograph():
    bands = {split: digits_on_photos.photographs(split) for split in LENGTHS}
    assert {split: len(each) for split, each in bands.items()} == {"train": 6, "validation": 2, "test": 2}
    for number, name in enumerate(("china.jpg", "flower.jpg")):
        whole = load_sample_image(name) @ np.array([0.299, 0.587, 0.114])
        train, validation, test = (each[number * len(each) // 2 :] for each in bands.values())
        parts = [train[0], validation[0], train[1], test[0], train[2]]
        np.testing.assert_allclose(np.concatenate(parts, axis=1), whole)


def test_background_is_a_piece_of_its_photograph_and_has_contrast(rng):
    photo, flat = rng.random((86, 89)) * 255, np.full((86, 89), 90.0)
    pieces = []
    for step in (1, 2, 3):
        for top, left in np.ndindex(87 - 28 * step, 90 - 28 * step):
            cut = photo[top : top + 28 * step, left : left + 28 * step]
            small = sum(cut[i::step, j::step] for i in range(step) for j in range(step))
            pieces += [small.ravel(), small[:, ::-1].ravel()]
    pieces = np.stack(pieces)
    pieces = (pieces - pieces.mean(axis=1, keepdims=True)) / pieces.std(axis=1, keepdims=True)
    for _ in range(9):
        piece = digits_on_photos.background([flat, photo], rng).ravel()
        assert 15 < piece.std() < 40
        assert np.max(pieces @ (piece - piece.mean()) / piece.std() / 784) > 0.99


def test_backgrounds_do_not_tell_the_class(rng):
    photos, pieces, labels = digits_on_photos.photographs("train"), [], DIGITS.target[:1200]
    for index in range(len(labels)):
        pieces.append(digits_on_photos.background(photos, np.random.default_rng((index, 0))).reshape(7, 4, 7, 4))
    pieces = np.stack(pieces).mean(axis=(2, 4)).reshape(len(labels), -1) / 255
    guess = LogisticRegression(max_iter=300).fit(pieces[:800], labels[:800])
    assert guess.score(pieces[:800], labels[:800]) > 0.15  # it can learn by heart
    assert abs(guess.score(pieces[800:], labels[800:]) - 0.1) < 0.05


def test_images_are_the_same_whenever_they_are_made():
    photos = digits_on_photos.photographs("test")
    first, again, other = (digits_on_photos.background(photos, np.random.default_rng((7, copy))) for copy in (0, 0, 1))
    np.testing.assert_array_equal(first, again)
    assert np.abs(first - other).max() > 20
    np.testing.assert_array_equal(composed(7, first)[0], composed(7, again)[0])


def test_the_classifier_can_train_on_it(source):
    decode = decoder(source.targets, Preprocessing(28, 1), "random-resized-crop")
    batch = next(training_batches(source, decode, 13, epochs=1).as_numpy_iterator())
    assert {name: each.shape for name, each in batch.items()} == {
        "image": (13, 28, 28, 1),
        "label": (13,),
        "mask": (13, 28, 28, 1),
    }
    assert steps_per_epoch(source, 13) == 96


def test_only_what_is_asked_for_is_read(folder, source):
    with pytest.raises(DataError, match="'digits' has no mask beside each image .it holds image, label"):
        open_source("digits", targets=("label", "mask"), data_dir=folder)
    assert set(source.examples("train", seed=3).element_spec) == {"image", "label", "id", "mask"}
    for targets in ((), ("label",), ("mask",)):
        found = open_source("digits_on_photos/once", targets=targets)
        assert set(found.examples("test").element_spec) == {"image", "id", *targets} and set(found.targets) == {
            *targets
        }
