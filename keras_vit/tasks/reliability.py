"""Whether a classifier is right as often as it is sure, counted while it is measured."""

from typing import Any

import keras
import numpy as np
from keras import ops

from keras_vit.analysis import Calibration


class Reliability(keras.metrics.Metric):
    """Counts images by the confidence of a softmax over their logits; its result is the expected calibration error.

    The bins are those of keras_vit.analysis.calibration (Guo et al. 2017, arXiv 1706.04599). Labels are shares and
    predictions logits, both (B, classes).
    """

    def __init__(self, bins: int = 15, name: str = "calibration_error") -> None:
        super().__init__(name=name, dtype="float32")
        self.bins = bins
        self.sums = self.add_variable((bins, 3), "zeros", name="sums")  # images, confidence, right

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        confidence = ops.max(ops.softmax(ops.cast(y_pred, "float32")), axis=-1)
        right = ops.cast(ops.argmax(y_true, -1) == ops.argmax(y_pred, -1), "float32")
        place = ops.clip(ops.cast(ops.ceil(confidence * self.bins), "int32") - 1, 0, self.bins - 1)
        rows = ops.stack([ops.ones_like(confidence), confidence, right], axis=-1)
        self.sums.assign_add(ops.matmul(ops.transpose(ops.one_hot(place, self.bins, dtype="float32")), rows))

    def result(self) -> Any:
        sums = ops.convert_to_tensor(self.sums)
        return ops.sum(ops.abs(sums[:, 1] - sums[:, 2])) / ops.maximum(ops.sum(sums[:, 0]), 1)

    @property
    def calibration(self) -> Calibration:
        """Means of the bins."""
        counts, *sums = ops.convert_to_numpy(self.sums).astype("float64").T
        means = [np.divide(each, counts, out=np.full(self.bins, np.nan), where=counts > 0) for each in sums]
        return Calibration(means[0], means[1], counts.astype("int64"))
