"""Mixup and cutmix against their definitions, checked in NumPy on what comes out."""

import numpy as np
import pytest
import tensorflow as tf

from keras_vit.data import DataError, mix

CLASSES = 7


@pytest.fixture(scope="module")
def batches():
    """150 batches of 5 images, no two pixels of which are equal, each of another class."""
    images = np.random.default_rng(1).permutation(5 * 13 * 11 * 3).reshape(5, 13, 11, 3).astype("float32")
    return tf.data.Dataset.from_tensors((images, np.array([4, 0, 6, 2, 5]))).repeat(150)


def mixed(batches, **options):
    images, labels = next(iter(batches.take(1)))
    found = [(x.numpy(), y.numpy()) for x, y in mix(batches, CLASSES, **options)]
    return images.numpy(), np.eye(CLASSES, dtype="float32")[labels], found


def shares(hard, found):
    """Returns each batch's share of its own labels, and checks that the labels say nothing else."""
    own = np.array([labels[0] @ hard[0] for _, labels in found])
    for share, (_, labels) in zip(own, found, strict=True):
        np.testing.assert_allclose(labels, share * hard + (1 - share) * hard[::-1], atol=1e-6)
        np.testing.assert_allclose(labels.sum(1), 1, atol=1e-6)
    return own


def test_mixup_blends_images_as_it_blends_labels(batches):
    images, hard, found = mixed(batches, cutmix=0)
    own = shares(hard, found)
    for share, (got, _) in zip(own, found, strict=True):
        np.testing.assert_allclose(got, share * images + (1 - share) * images[::-1], rtol=1e-4, atol=1e-2)


@pytest.mark.parametrize("alpha", [0.1, 0.8, 2.0])
def test_share_is_drawn_from_a_beta_distribution(batches, alpha):
    stats = pytest.importorskip("scipy.stats")
    _, hard, found = mixed(batches.repeat(3), mixup=alpha, cutmix=0)
    assert stats.kstest(shares(hard, found), stats.beta(alpha, alpha).cdf).pvalue > 0.01


def test_cutmix_takes_one_box_from_the_partner_and_as_much_of_its_label(batches):
    images, hard, found = mixed(batches, mixup=0)
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
def test_switch_is_the_share_of_batches_that_are_cut(batches, switch, least, most):
    images, _, found = mixed(batches, switch=switch)
    cut = np.mean([np.isin(got, images).all() for got, _ in found])
    assert least <= cut <= most


def test_without_any_mixing_labels_only_turn_soft(batches):
    images, hard, found = mixed(batches.take(2), mixup=0, cutmix=0)
    for got, labels in found:
        np.testing.assert_array_equal(got, images)
        np.testing.assert_array_equal(labels, hard)


def test_resumed_mixing_goes_on_as_if_never_stopped(batches):
    tf.random.set_seed(1)
    whole = mixed(batches, seed=3)[2]
    tf.random.set_seed(2)
    rest = mixed(batches.skip(100), seed=3, first_step=100)[2]
    assert len(rest) == 50
    for ours, theirs in zip(rest, whole[100:], strict=True):
        np.testing.assert_array_equal(ours[0], theirs[0])
        np.testing.assert_array_equal(ours[1], theirs[1])
    assert not np.array_equal(whole[0][0], mixed(batches.take(1), seed=4)[2][0][0])
    assert not np.array_equal(whole[0][1], whole[1][1])


def test_length_of_the_data_is_kept(batches):
    assert mix(batches, CLASSES).cardinality() == 150


@pytest.mark.parametrize(
    ("options", "sentence"),
    [({"mixup": -1}, "mixup=-1"), ({"cutmix": -0.1}, "cutmix=-0.1"), ({"switch": 2}, "switch=2"), ({}, "classes=1")],
)
def test_senseless_options_are_refused(batches, options, sentence):
    with pytest.raises(DataError, match=sentence):
        mix(batches, CLASSES if options else 1, **options)
