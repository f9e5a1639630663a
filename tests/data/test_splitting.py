"""Images are drawn for validation and test by their names, and stay there whatever else comes or goes."""

import hashlib
import warnings

import numpy as np
import pytest

from keras_vit.data.splitting import fill_splits

LABELS = ("ant", "bee")


def rows_of(label, count, start=0):
    return [(f"{LABELS[label]}/{i:05}.jpg", label) for i in range(start, start + count)]


def splits_of(rows, seed=0, fraction=0.1):
    return fill_splits({"train": rows}, seed, fraction, LABELS)


def test_each_image_is_drawn_by_the_hash_of_its_name_alone():
    rows = rows_of(0, 3000) + rows_of(1, 2000)
    found = splits_of(rows, seed=7, fraction=0.15)
    for name, label in rows:
        place = int(hashlib.sha256(f"7/{name}".encode()).hexdigest()[:16], 16) / 16**16
        split = "test" if place < 0.15 else "validation" if place < 0.3 else "train"
        assert (name, label) in found[split]
    assert sum(map(len, found.values())) == 5000
    shares = [len(found[split]) / 5000 for split in ("train", "validation", "test")]
    np.testing.assert_allclose(shares, [0.7, 0.15, 0.15], atol=0.02)
    assert all(rows == sorted(rows) for rows in found.values())


def test_a_missing_split_alone_is_drawn_from_what_is_trained_on():
    test = [("test/ant/1.jpg", 0), ("test/bee/1.jpg", 1)]
    found = fill_splits({"train": rows_of(0, 500) + rows_of(1, 500), "test": test}, 0, 0.2, LABELS)
    assert found["test"] == test and 150 < len(found["validation"]) < 250
    assert len(found["train"]) + len(found["validation"]) == 1000


@pytest.mark.parametrize("seed", range(20))
def test_images_that_come_move_none_that_was_trained_on_to_the_test(seed):
    """From rare classes up, where a split has an image only because it must."""
    before = {name: set(rows) for name, rows in splits_of(rows_of(0, 4) + rows_of(1, 5), seed).items()}
    for more in range(1, 60):
        now = {name: set(rows) for name, rows in splits_of(rows_of(0, 4 + more) + rows_of(1, 5 + more), seed).items()}
        assert not before["train"] & now["test"]
        before = now


def test_a_large_class_keeps_every_image_where_it_is():
    before, now = splits_of(rows_of(0, 300) + rows_of(1, 300)), splits_of(rows_of(0, 299) + rows_of(1, 500))
    for name, rows in before.items():
        assert set(rows) - set(now[name]) <= {rows_of(0, 300)[-1]}


@pytest.mark.parametrize("seed", range(20))
def test_a_rare_class_has_an_image_in_each_split(seed):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = splits_of(rows_of(0, 100) + rows_of(1, 3), seed)
    assert all({label for _, label in rows} == {0, 1} for rows in found.values())


def test_a_class_of_too_few_images_is_trained_on_and_told():
    with pytest.warns(UserWarning) as told:
        found = splits_of(rows_of(0, 100) + rows_of(1, 1))
    assert rows_of(1, 1)[0] in found["train"]
    assert {str(each.message) for each in told} == {
        f"{split} has no image of 'bee': there are too few" for split in ("validation", "test")
    }
