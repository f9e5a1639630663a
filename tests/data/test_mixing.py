"""Mixup and cutmix against their definitions, checked in NumPy on what comes out."""

import numpy as np
import pytest
import tensorflow as tf

from keras_vit.data import DataError, Target, mixing

CLASSES = 7
TARGETS = {"label": Target("class", tuple("abcdefg"))}


@pytest.fixture(scope="module")
def batch():
    """5 images, no two pixels of which are equal, each of another class."""
    images = np.random.default_rng(1).permutation(5 * 13 * 11 * 3).reshape(5, 13, 11, 3).astype("float32")
    return {"image": images, "label": np.array([4, 0, 6, 2, 5])}


def mixed(batch, count=150, seed=0, targets=TARGETS, **options):
    """Returns the images, their classes as one-hot rows, and `count` times the (images, labels) mixed from them."""
    mix = mixing(targets, **options)
    steps = tf.data.Dataset.range(count).map(lambda step: mix(dict(batch), tf.random.fold_in([seed, seed], step)))
    found = [(each["image"], each["label"]) for each in steps.as_numpy_iterator()]
    return batch["image"], np.eye(CLASSES, dtype="float32")[batch["label"]], found


def shares(hard, found):
    """Returns each batch's share of its own labels, and checks that the labels say nothing else."""
    own = np.array([labels[0] @ hard[0] for _, labels in found])
    for share, (_, labels) in zip(own, found, strict=True):
        np.testing.assert_allclose(labels, share * hard + (1 - share) * hard[::-1], atol=1e-6)
        np.testing.assert_allclose(labels.sum(1), 1, atol=1e-6)
    return own


def test_mixup_blends_images_as_it_blends_labels(batch):
    images, hard, found = mixed(batch, cutmix=0)
    own = shares(hard, found)
    for share, (got, _) in zip(own, found, strict=True):
        np.testing.assert_allclose(got, share * images + (1 - share) * images[::-1], rtol=1e-4, atol=1e-2)


@pytest.mark.parametrize("alpha", [0.1, 0.8, 2.0])
def test_share_is_drawn_from_a_beta_distribution(batch, alpha):
    stats = pytest.importorskip("scipy.stats")
    _, hard, found = mixed(batch, 450, mixup=alpha, cutmix=0)
    own = shares(hard, found)
    small = own[own < 0.5]  # near 1, float32 holds too few numbers
    assert abs(len(small) / len(own) - 0.5) < 0.07
    assert stats.kstest(small, lambda x: 2 * stats.beta(alpha, alpha).cdf(x)).pvalue > 0.01


def test_cutmix_takes_one_box_from_the_partner_and_as_much_of_its_label(batch):
    images, hard, found = mixed(batch, mixup=0)
    own = shares(hard, found)
    inner = 0
    for share, (got, _) in zip(own, found, strict=True):
        taken = (got[0] == images[4])[..., 0]
        assert np.array_equal(got, np.where(taken[:, :, None], images[::-1], images))
        np.testing.assert_allclose(taken.mean(), 1 - share, atol=1e-6)
        rows, columns = taken.any(1), taken.any(0)
        assert np.array_equal(taken, rows[:, None] & columns[None, :])
        for line in (rows, columns):  # one stretch
            assert (np.diff(np.concatenate([[0], line, [0]])) == 1).sum() <= 1
        if taken.any() and not (taken[0].any() or taken[-1].any() or taken[:, 0].any() or taken[:, -1].any()):
            inner += 1
            assert abs(rows.sum() / 13 - columns.sum() / 11) < 1 / 11
    assert inner > 10 and np.std(own) > 0.15  # of Beta(1, 1), cut by the borders


@pytest.mark.parametrize(("switch", "least", "most"), [(0.0, 0, 0), (0.3, 0.18, 0.42), (1.0, 1, 1)])
def test_switch_is_the_share_of_batches_that_are_cut(batch, switch, least, most):
    images, _, found = mixed(batch, switch=switch)
    cut = np.mean([np.isin(got, images).all() for got, _ in found])
    assert least <= cut <= most


def test_without_any_mixing_labels_only_turn_soft(batch):
    images, hard, found = mixed(batch, 2, mixup=0, cutmix=0)
    for got, labels in found:
        np.testing.assert_array_equal(got, images)
        np.testing.assert_array_equal(labels, hard)


def test_a_batch_is_mixed_by_its_seed_alone(batch):
    tf.random.set_seed(1)
    (once,), (other,) = mixed(batch, 1, seed=3)[2], mixed(batch, 1, seed=4)[2]
    tf.random.set_seed(2)
    (again,) = mixed(batch, 1, seed=3)[2]
    for ours, theirs in zip(once, again, strict=True):
        np.testing.assert_array_equal(ours, theirs)
    assert not np.array_equal(once[0], other[0])


def test_cutmix_pastes_masks_and_depth_maps_with_their_images(batch):
    numbers = np.arange(5 * 13 * 11).reshape(5, 13, 11, 1)
    maps = {"mask": (numbers % 251).astype("uint8"), "depth": numbers.astype("float32")}
    targets = TARGETS | {"mask": Target("mask"), "depth": Target("depth")}
    for step in range(20):
        got = mixing(targets, mixup=0)(batch | maps, tf.constant([7, step], "int64"))
        taken = (got["image"].numpy() == batch["image"][::-1]).all(-1, keepdims=True)
        for name, values in maps.items():
            assert got[name].dtype == values.dtype
            others = np.arange(5) != 2  # the third is its own partner
            np.testing.assert_array_equal(got[name][others], np.where(taken, values[::-1], values)[others])
    assert 0 < taken[0].mean() < 1


def test_boxes_stay_as_they_are_where_nothing_is_mixed(batch):
    boxes = np.random.default_rng(3).random((5, 7, 5), "float32")
    got = mixing({"boxes": Target("boxes")}, mixup=0, cutmix=0)({"image": batch["image"], "boxes": boxes}, (0, 0))
    np.testing.assert_array_equal(got["boxes"], boxes)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"mixup": -1}, "mixup=-1"),
        ({"cutmix": -0.1}, "cutmix=-0.1"),
        ({"switch": 2}, "switch=2"),
        ({"targets": {"label": Target("class", ("a",))}}, "classes=1; mixed labels need at least 2"),
        ({"targets": {"far": Target("depth")}}, "mixup=0.8 with 'far': two of kind 'depth' have no mean; give mixup=0"),
        ({"targets": {"mask": Target("mask")}}, "mixup=0.8 with 'mask': two of kind 'mask' have no mean"),
        ({"targets": {"boxes": Target("boxes")}, "mixup": 0}, "mixing with 'boxes': .* give mixup=0 and cutmix=0"),
    ],
)
def test_senseless_options_are_refused(options, sentence):
    with pytest.raises(DataError, match=sentence):
        mixing(**{"targets": TARGETS} | options)


def test_what_mixing_is_not_told_of_is_refused(batch):
    with pytest.raises(DataError, match="a batch holds box, whose kind mixing isn't told in `targets`"):
        mixing(TARGETS)(batch | {"box": np.zeros(5)}, (0, 0))
