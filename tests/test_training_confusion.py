"""The confusion matrix: what is counted, told and drawn."""

import csv

import numpy as np
import pytest
from PIL import Image
from sklearn import metrics

from keras_vit.training import confusion, confusion_picture


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


def colours_of(path, count, block):
    """Returns a function from (true, predicted) to the colour of that cell, found by the colour of empty cells."""
    picture = np.asarray(Image.open(path).convert("RGB")).astype(int)
    empty = np.abs(picture - (68, 1, 84)).max(-1) < 4  # where viridis begins
    # the colour bar has few such pixels in a row, and the matrix many
    rows, columns = np.flatnonzero(empty.sum(1) > 200), np.flatnonzero(empty.sum(0) > 200)
    (top, left), (bottom, right) = (rows[0], columns[0]), (rows[-1], columns[-1])

    def colour(true, predicted):
        y, x = ((each // block + 0.25) * block / count for each in (true, predicted))
        return picture[top + round(y * (bottom - top)), left + round(x * (right - left))]

    return colour


@pytest.mark.parametrize(("count", "block"), [(10, 1), (37, 1), (1000, 4)])
def test_a_confusion_of_one_class_can_be_seen_however_many_there_are(tmp_path, count, block):
    matrix = np.diag(np.full(count, 47))
    true, predicted = int(count * 0.9), int(count * 0.1)
    matrix[true, predicted] = 3
    matrix[count // 2] = 0
    confusion_picture.draw(matrix, [f"class {i}" for i in range(count)], tmp_path / "confusion.png", "a on b")
    assert [each.name for each in tmp_path.iterdir()] == ["confusion.png"]
    colour = colours_of(tmp_path / "confusion.png", count, block)
    assert np.abs(colour(true, predicted) - (68, 1, 84)).max() > 40
    assert np.abs(colour(predicted, true) - (68, 1, 84)).max() < 4
    assert colour(true, true)[0] > 120 and colour(true, true)[2] < 90  # yellow: nearly all
    if block == 1:
        assert len(set(colour(count // 2, predicted))) == 1  # grey: no images
