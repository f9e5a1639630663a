"""Whether a classifier is right as often as it is sure."""

import dataclasses

import numpy as np

from keras_vit.analysis.numbers import whole_number


@dataclasses.dataclass(frozen=True)
class Calibration:
    """Confidence and accuracy in bins of the confidence, equally wide from 0 to 1, each (bins,).

    `confidences` and `accuracies` are means over the images of a bin, of which there are `counts`; NaN where none is.
    """

    confidences: np.ndarray
    accuracies: np.ndarray
    counts: np.ndarray

    @property
    def error(self) -> float:
        """The expected calibration error: the mean over images of |accuracy - confidence| of their bin."""
        return float(np.nansum(self.counts * np.abs(self.accuracies - self.confidences)) / self.counts.sum())

    @property
    def excess(self) -> float:
        """The mean confidence less the accuracy over all images: above 0 the classifier is too sure of itself."""
        return float(np.nansum(self.counts * (self.confidences - self.accuracies)) / self.counts.sum())


def calibration(probabilities: np.ndarray, labels: np.ndarray, bins: int = 15) -> Calibration:
    """Returns the Calibration of `probabilities` (B, classes) of images whose classes are `labels` (B,).

    Guo et al. 2017 (arXiv 1706.04599): the confidence is the largest probability, and bin m of M holds what lies in
    ((m - 1) / M, m / M]. Raises ValueError for rows that are no probabilities.

    >>> found = keras_vit.analysis.calibration([[0.9, 0.1], [0.2, 0.8]], [0, 0])
    >>> round(found.error, 2), round(found.excess, 2)  # right in 1 of 2 cases, sure of 0.9 and of 0.8
    (0.45, 0.35)
    """
    probabilities, labels = np.asarray(probabilities, "float64"), np.asarray(labels)
    if probabilities.ndim != 2 or labels.shape != probabilities.shape[:1] or not len(labels):
        raise ValueError(f"probabilities are (B, classes) of labels (B,), not {probabilities.shape} of {labels.shape}")
    if (
        not np.isfinite(probabilities).all()
        or probabilities.min() < 0
        or np.abs(probabilities.sum(axis=1) - 1).max() > 1e-3
    ):
        raise ValueError("each row of probabilities is at least 0 and sums to 1; take the softmax of logits")
    if labels.dtype.kind not in "iu" or labels.min() < 0 or labels.max() >= probabilities.shape[1]:
        raise ValueError(f"labels are the numbers of classes, 0 to {probabilities.shape[1] - 1}, not {labels[:5]}")
    bins = whole_number("bins", bins, what="how many bins there are")
    if bins > 10**6:
        raise ValueError(f"bins is at most a million, not {bins}")
    confidence = probabilities.max(axis=1)
    right = probabilities.argmax(axis=1) == labels
    bin_of = np.clip(np.ceil(confidence * bins).astype(int) - 1, 0, bins - 1)
    counts = np.bincount(bin_of, minlength=bins)
    sums = (np.bincount(bin_of, weights=each, minlength=bins) for each in (confidence, right))
    means = [np.divide(each, counts, out=np.full(bins, np.nan), where=counts > 0) for each in sums]
    return Calibration(means[0], means[1], counts)
