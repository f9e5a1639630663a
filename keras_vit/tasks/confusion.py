"""Which classes a classifier takes for which: the confusion matrix, counted while it is measured."""

import os
from typing import Any

import keras
import numpy as np
from keras import ops

from keras_vit import files

MOST = 2048  # classes: the matrix of 21,841 would take 1.9 GB on every device


class Confusion(keras.metrics.Metric):
    """Counts images by true and predicted class; its result is the balanced accuracy.

    That is the mean, over the classes that have images, of the share of theirs that are classified right. Labels and
    predictions are (B, classes), of which the highest counts. `matrix` sums up all devices and workers, like any
    metric of Keras, so all of them must ask for it.
    """

    def __init__(self, classes: int, name: str = "balanced_accuracy") -> None:
        super().__init__(name=name, dtype="float32")  # exact up to 2**24 images in one cell
        self.classes = classes
        self.counts = self.add_variable((classes, classes), "zeros", name="counts")

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        cells = ops.stack([ops.argmax(y_true, -1), ops.argmax(y_pred, -1)], axis=-1)
        ones = ops.ones_like(cells[:, 0], dtype="float32")
        self.counts.assign_add(ops.scatter(cells, ones, (self.classes, self.classes)))

    def result(self) -> Any:
        counts = ops.convert_to_tensor(self.counts)  # once: workers send it to each other whenever it is read
        images = ops.sum(counts, axis=1)
        recall = ops.diagonal(counts) / ops.maximum(images, 1)
        return ops.sum(recall) / ops.maximum(ops.sum(ops.cast(images > 0, "float32")), 1)

    @property
    def matrix(self) -> np.ndarray:
        """The counts as int64 (true classes, predicted classes)."""
        return ops.convert_to_numpy(self.counts).astype("int64")


def counter(classes: int) -> list[Confusion]:
    """Returns a list of the Confusion metric for `classes` classes, empty where there are more than MOST."""
    return [Confusion(classes)] if classes <= MOST else []


def most_confused(matrix: np.ndarray, labels: list[str], limit: int = 20) -> list[dict[str, Any]]:
    """Returns the pairs of classes with most images taken for the other, as dicts, those with most first.

    `images` of the `of` images of class `true` were taken for `predicted`; among equals the larger share comes first.
    """
    wrong = matrix * (1 - np.eye(len(matrix), dtype=matrix.dtype))
    rows, columns = np.nonzero(wrong)
    sizes = matrix.sum(1)
    found = sorted(zip(rows, columns, strict=True), key=lambda cell: (-wrong[cell], sizes[cell[0]], cell))
    return [
        {"true": labels[i], "predicted": labels[j], "images": int(wrong[i, j]), "of": int(sizes[i])}
        for i, j in found[:limit]
    ]


def write_csv(matrix: np.ndarray, labels: list[str], path: str | os.PathLike) -> None:
    """Writes the counts with a row a true class and a column a predicted one, and their labels before them."""
    rows = ([label, *row] for label, row in zip(labels, matrix.tolist(), strict=True))
    files.write_csv(path, [r"true\predicted", *labels], rows)
