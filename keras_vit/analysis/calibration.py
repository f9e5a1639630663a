"""Whether a classifier is right as often as it is sure."""

import dataclasses

import numpy as np

from keras_vit.pictures.figure import PALETTE, new_figure, write_figure


@dataclasses.dataclass(frozen=True)
class Calibration:
    """Confidence and accuracy in bins of the confidence, equally wide from 0 to 1, each (bins,).

    `confidences` and `accuracies` are means over the images of a bin, of which there are `counts`; NaN where none is.
    """

    confidences: np.ndarray
    accuracies: np.ndarray
    counts: np.ndarray

    @property
    def error(self):
        """The expected calibration error: the mean over images of |accuracy - confidence| of their bin."""
        return float(np.nansum(self.counts * np.abs(self.accuracies - self.confidences)) / self.counts.sum())

    @property
    def excess(self):
        """The mean confidence less the accuracy over all images: above 0 the classifier is too sure of itself."""
        return float(np.nansum(self.counts * (self.confidences - self.accuracies)) / self.counts.sum())


def calibration(probabilities, labels, bins=15):
    """Returns the Calibration of `probabilities` (B, classes) of images whose classes are `labels` (B,).

    Guo et al. 2017 (arXiv 1706.04599): the confidence is the largest probability, and bin m of M holds what lies in
    ((m - 1) / M, m / M]. Raises ValueError for rows that are no probabilities.
    """
    probabilities, labels = np.asarray(probabilities, "float64"), np.asarray(labels)
    if probabilities.ndim != 2 or labels.shape != probabilities.shape[:1] or not len(labels):
        raise ValueError(f"probabilities are (B, classes) of labels (B,), not {probabilities.shape} of {labels.shape}")
    if probabilities.min() < 0 or np.abs(probabilities.sum(axis=1) - 1).max() > 1e-3:
        raise ValueError("each row of probabilities is at least 0 and sums to 1; take the softmax of logits")
    if bins < 1:
        raise ValueError(f"bins is at least 1, not {bins!r}")
    confidence = probabilities.max(axis=1)
    right = probabilities.argmax(axis=1) == labels
    bin_of = np.clip(np.ceil(confidence * bins).astype(int) - 1, 0, bins - 1)
    counts = np.bincount(bin_of, minlength=bins)
    sums = (np.bincount(bin_of, weights=each, minlength=bins) for each in (confidence, right))
    means = [np.divide(each, counts, out=np.full(bins, np.nan), where=counts > 0) for each in sums]
    return Calibration(*means, counts)


def reliability_picture(path, found, least=10):
    """Writes a PNG to `path`: accuracy over confidence for each of {classifier: Calibration}, one panel each.

    A point is a bin of `least` images or more, its area their number; below the diagonal a classifier is too sure.
    """
    columns = min(len(found), 3)
    rows = -(-len(found) // columns)
    figure, axes = new_figure(rows, columns, (2.5 * columns + 0.4, 2.6 * rows + 0.2), sharex=True, sharey=True)
    for axis in axes.flat[len(found) :]:
        axis.set_axis_off()
    for axis, (name, each) in zip(axes.flat, found.items(), strict=False):
        drawn = each.counts >= least
        axis.plot([0, 1], [0, 1], "--", color="0.6", lw=1)
        axis.plot(each.confidences[drawn], each.accuracies[drawn], "-", color=PALETTE[0], lw=1)
        area = 150 * each.counts[drawn] / each.counts.max()
        axis.scatter(
            each.confidences[drawn], each.accuracies[drawn], area, color=PALETTE[0], alpha=0.7, lw=0, clip_on=False
        )
        axis.set_title(f"{name}: error {each.error:.1%}", fontsize=10)
        axis.set(xlim=(0, 1), ylim=(0, 1), aspect="equal")
        axis.grid(alpha=0.3)
    figure.supxlabel("confidence: probability of the class it names", fontsize=10)
    figure.supylabel("accuracy", fontsize=10)
    write_figure(path, figure)
