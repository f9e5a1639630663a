"""The place of an image in a split: by its name alone, whatever else lies beside it."""

import hashlib
import itertools

import numpy as np
import pytest

from keras_vit.data.splitting import split

NAMES = [(f"{label}/{i}.jpg", number) for number, label in enumerate(("ant", "bee")) for i in range(300)]
WANTED = ("test", "validation")


def test_split_is_the_range_of_a_hash_written_out():
    parts = split(NAMES, WANTED, 0.1, seed=7)
    places = {row: int(hashlib.sha256(f"7:{row[0]}".encode()).hexdigest()[:16], 16) / 2**64 for row in NAMES}
    assert parts["test"] == [row for row in NAMES if places[row] < 0.1]
    assert parts["validation"] == [row for row in NAMES if 0.1 <= places[row] < 0.2]
    assert parts["train"] == [row for row in NAMES if places[row] >= 0.2]


def test_files_that_come_and_go_and_their_order_move_no_other():
    whole = {row: name for name, rows in split(NAMES, WANTED, 0.1).items() for row in rows}
    some = [row for row in NAMES if np.random.default_rng(len(row[0])).random() < 0.8][::-1]
    assert all(whole[row] == name for name, rows in split(some, WANTED, 0.1).items() for row in rows)
    only = split(NAMES, ("validation",), 0.1)
    assert only["validation"] == split(NAMES, WANTED, 0.1)["validation"]


@pytest.mark.parametrize("count", [1, 2, 3, 4])
def test_small_class_beside_test_images_of_its_own_gives_one_to_the_validation(count):
    for label in range(400):
        parts = split([(f"{label}/{i}.png", 0) for i in range(count)], ("validation",), 0.1)
        assert parts["train"] and (parts["validation"] or count == 1)


@pytest.mark.parametrize(("count", "held"), [(1, (0, 0)), (2, (1, 0)), (3, (1, 1)), (4, (1, 1)), (5, (1, 1))])
def test_small_class_has_an_image_in_each_split_where_it_can(count, held):
    for label in range(400):  # many enough that the hash gives all of a class to one split now and then
        parts = split([(f"{label}/{i}.png", 0) for i in range(count)], WANTED, 0.1)
        assert len(parts["test"]) >= held[0] and len(parts["validation"]) >= held[1] and parts["train"]


def test_image_that_is_added_to_a_small_class_takes_none_from_training():
    moved = 0
    for label, count in itertools.product(range(60), range(4, 9)):
        rows = [(f"{label}/{i}.png", 0) for i in range(count)]
        before, after = split(rows, WANTED, 0.1), split([*rows, (f"{label}/new.png", 0)], WANTED, 0.1)
        moved += len(set(before["train"]) - set(after["train"]))
    assert moved == 0


def test_name_has_one_place_however_its_accents_are_written():
    many = [[(f"{i}{accent}.png", 0) for i in range(99)] for accent in ("\u00e9", "e\u0301")]
    tested = [
        {each[0].partition(".")[0].rstrip("e\u0301\u00e9") for each in split(rows, WANTED, 0.1)["test"]}
        for rows in many
    ]
    assert tested[0] == tested[1]
