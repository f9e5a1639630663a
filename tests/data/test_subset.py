"""A fraction of a data set: the same of each class, nested, and the test images stay whole."""

import collections

import numpy as np
import pytest

from keras_vit import data

COUNTS = (53, 31, 17)  # of each class in the training split; a tenth as many in the validation split


def _source(targets=("label",)):
    import tensorflow as tf

    rows = {}
    for split, counts in (("train", COUNTS), ("validation", (5, 3, 2)), ("test", (7, 5, 3))):
        labels = np.random.default_rng(3).permutation(np.repeat(np.arange(3), counts))
        ids = [f"{split}-{i}" for i in range(len(labels))]
        rows[split] = {"image": [f"bytes of {each}" for each in ids], "label": labels.astype("int64"), "id": ids}
        rows[split]["mask"] = [f"mask of {each}" for each in ids]

    def read(split, shuffle):
        found = tf.data.Dataset.from_tensor_slices({key: rows[split][key] for key in ("image", "id", *targets)})
        return found if shuffle is None else found.shuffle(1000, seed=shuffle, reshuffle_each_iteration=False)

    kinds = {"label": data.Target("class", ("a", "b", "c")), "mask": data.Target("mask")}
    known = {name: kinds[name] for name in targets}
    return data.Source("three", known, 3, {split: len(each["id"]) for split, each in rows.items()}, read)


def _rows(source, split, seed=None):
    return [(row["id"].decode(), int(row["label"]), row["image"].decode()) for row in
            source.examples(split, seed).as_numpy_iterator()]  # fmt: skip


@pytest.mark.parametrize("fraction", [0.1, 0.3, 0.75])
def test_each_class_keeps_its_fraction(fraction):
    found = data.subset(_source(), fraction)
    for split, counts in (("train", COUNTS), ("validation", (5, 3, 2))):
        rows = _rows(found, split)
        kept = collections.Counter(label for _, label, _ in rows)
        assert kept == {label: max(1, round(fraction * count)) for label, count in enumerate(counts)}
        assert len(rows) == found.sizes[split] == len({name for name, _, _ in rows})
    assert _rows(found, "test") == _rows(_source(), "test") and found.sizes["test"] == 15


def test_what_is_kept_is_as_it_was_and_in_its_order():
    whole, found = _rows(_source(), "train"), _rows(data.subset(_source(), 0.3), "train")
    assert found == [row for row in whole if row in found]


def test_smaller_fraction_lies_within_a_larger_one_of_the_same_seed_only():
    names = {
        (fraction, seed): {row[0] for row in _rows(data.subset(_source(), fraction, seed), "train")}
        for fraction in (0.1, 0.5)
        for seed in (0, 1)
    }
    assert names[0.1, 0] < names[0.5, 0] and names[0.1, 1] < names[0.5, 1]
    assert names[0.5, 0] != names[0.5, 1]


def test_shuffling_gives_the_same_images_in_an_order_of_the_seed():
    found = data.subset(_source(), 0.5)
    orders = [_rows(found, "train", seed) for seed in (1, 1, 2)]
    assert orders[0] == orders[1] != orders[2] and sorted(orders[0]) == sorted(_rows(found, "train"))


def test_whole_fraction_is_the_source_itself():
    source = _source()
    assert data.subset(source, 1.0) is source


@pytest.mark.parametrize("fraction", [0, -0.5, 1.5])
def test_impossible_fraction_is_quoted(fraction):
    with pytest.raises(data.DataError, match=f"{fraction}.*above 0 and at most 1"):
        data.subset(_source(), fraction)


def test_digits_shrink_for_a_training():
    source = data.open_source("digits")
    found = data.subset(source, 0.1)
    assert found.sizes == {"train": 128, "validation": 14, "test": 360}
    decode = data.decoder(found.targets, data.Preprocessing((8, 8), 1))
    batch = next(iter(data.training_batches(found, decode, 128, epochs=1).as_numpy_iterator()))
    assert batch["image"].shape == (128, 8, 8, 1) and set(batch["label"]) == set(range(10))


def test_other_targets_stay_with_their_images():
    for row in data.subset(_source(("label", "mask")), 0.3).examples("train").as_numpy_iterator():
        assert row["mask"] == b"mask of " + row["id"]


def test_images_without_classes_keep_their_fraction():
    found = data.subset(_source(()), 0.3, seed=2)
    assert found.sizes == {"train": round(0.3 * 101), "validation": 3, "test": 15}
    rows = list(found.examples("train").as_numpy_iterator())
    assert len({row["id"] for row in rows}) == 30 and rows[0].keys() == {"image", "id"}
