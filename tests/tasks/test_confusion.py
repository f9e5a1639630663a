"""The confusion matrix: what is counted, told and drawn."""

import csv

import numpy as np
import pytest
from PIL import Image
from sklearn import metrics

from keras_vit.pictures import confusion_picture
from keras_vit.tasks import confusion


def test_counts_and_balanced_accuracy_are_those_of_scikit_learn(rng):
    true, logits = rng.integers(0, 6, 101), rng.normal(size=(101, 7)).astype("float32")  # none is of the last class
    counted = confusion.Confusion(7)
    for part in (slice(43), slice(43, 44), slice(44, None)):
        counted.update_state(np.eye(7, dtype="float32")[true[part]], logits[part])
    predicted = logits.argmax(-1)
    np.testing.assert_array_equal(counted.matrix, metrics.confusion_matrix(true, predicted, labels=range(7)))
    recalls = metrics.recall_score(true, predicted, labels=range(6), average="macro")
    np.testing.assert_allclose(counted.result(), recalls, rtol=1e-6)
    counted.reset_state()
    assert counted.matrix.sum() == 0 and counted.result() == 0


def test_no_matrix_is_made_for_more_classes_than_memory_is_worth():
    assert confusion.counter(21841) == []
    assert [each.classes for each in confusion.counter(1000)] == [1000]


def test_most_confused_pairs_come_first_and_of_equals_the_larger_share():
    matrix = np.array([[9, 2, 0], [3, 50, 2], [0, 2, 1]])
    found = [tuple(pair.values()) for pair in confusion.most_confused(matrix, ("a", "b", "c"), limit=3)]
    assert found == [("b", "a", 3, 55), ("c", "b", 2, 3), ("a", "b", 2, 11)]
    assert confusion.most_confused(np.diag([3, 5]), ("a", "b")) == []


def test_csv_holds_the_counts_under_any_names(tmp_path):
    labels = ["great white shark, man-eater", 'the "ox"', "Möwe"]
    confusion.write_csv(np.array([[5, 0, 2], [0, 3, 0], [1, 0, 7]]), labels, tmp_path / "confusion.csv")
    with open(tmp_path / "confusion.csv", newline="", encoding="utf-8") as file:
        head, *rows = csv.reader(file)
    assert head[1:] == labels
    assert rows == [[labels[0], "5", "0", "2"], [labels[1], "0", "3", "0"], [labels[2], "1", "0", "7"]]


EMPTY = (68, 1, 84)  # where viridis begins


def spots_of(path, count):
    """Returns a function from (true, predicted) to 7 x 7 pixels of that cell, found by the colour of empty cells."""
    picture = np.asarray(Image.open(path).convert("RGB")).astype(int)
    empty = np.abs(picture - EMPTY).max(-1) < 4
    # the colour bar has few such pixels in a row, and the matrix many
    rows, columns = np.flatnonzero(empty.sum(1) > 200), np.flatnonzero(empty.sum(0) > 200)
    within = 0.25 if count == 10 else 0.5  # beside the number, where there is one

    def spot(true, predicted):
        y = rows[0] + round((true + within) / count * (rows[-1] - rows[0]))
        x = columns[0] + round((predicted + within) / count * (columns[-1] - columns[0]))
        return picture[y - 3 : y + 4, x - 3 : x + 4].reshape(-1, 3)

    return spot


@pytest.mark.parametrize("count", [10, 37, 1000])
def test_a_confusion_of_one_class_can_be_seen_however_many_there_are(tmp_path, count):
    matrix = np.diag(np.full(count, 47))
    true, predicted, without = int(count * 0.9), int(count * 0.1), count // 2
    matrix[true, predicted] = 3
    matrix[without] = 0
    labels = [f"class {i}" for i in range(count)]
    pairs = confusion.most_confused(matrix, labels)
    confusion_picture(tmp_path / "confusion.png", matrix, labels, "a on b", pairs)
    assert [each.name for each in tmp_path.iterdir()] == ["confusion.png"]
    spot = spots_of(tmp_path / "confusion.png", count)
    assert np.abs(spot(true, predicted) - EMPTY).max() > 40
    assert np.abs(spot(predicted, true) - EMPTY).max() < 4
    assert any(red > 120 and blue < 90 for red, _, blue in spot(true, true))  # yellow: nearly all
    if count < 1000:  # of which several share a cell
        assert np.ptp(spot(without, predicted), axis=1).max() == 0  # grey: no images
