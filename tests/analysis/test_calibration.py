"""Calibration: the error of Guo et al. 2017 from loops over bins, and of cases that are known."""

import numpy as np
import pytest

from keras_vit.analysis import calibration


def _expected_error(probabilities, labels, bins):
    """Equation 3 of the paper, written out."""
    total = 0.0
    for m in range(1, bins + 1):
        inside = [i for i, row in enumerate(probabilities) if (m - 1) / bins < max(row) <= m / bins]
        if inside:
            right = sum(int(np.argmax(probabilities[i]) == labels[i]) for i in inside) / len(inside)
            sure = sum(max(probabilities[i]) for i in inside) / len(inside)
            total += len(inside) / len(labels) * abs(right - sure)
    return total


@pytest.mark.parametrize("bins", [1, 7, 15])
def test_error_is_that_of_the_paper(rng, bins):
    probabilities = rng.dirichlet(np.full(5, 0.4), size=211)
    labels = rng.integers(0, 5, 211)
    found = calibration(probabilities, labels, bins)
    assert found.error == pytest.approx(_expected_error(probabilities, labels, bins), abs=1e-12)
    assert found.counts.sum() == 211 and len(found.counts) == bins
    right = (probabilities.argmax(axis=1) == labels).mean()
    assert found.excess == pytest.approx(probabilities.max(axis=1).mean() - right, abs=1e-12)


def test_classifier_that_is_right_as_often_as_it_is_sure_has_no_error():
    probabilities = np.tile([0.75, 0.25], (8, 1))
    labels = np.array([0, 0, 0, 1] * 2)
    found = calibration(probabilities, labels)
    assert found.error == pytest.approx(0) and found.excess == pytest.approx(0)
    assert calibration(probabilities, np.ones(8, int)).excess == pytest.approx(0.75)
    assert calibration(probabilities, np.zeros(8, int)).excess == pytest.approx(-0.25)


def test_confidence_on_the_edge_of_bins_belongs_to_the_lower_and_certainty_to_the_last():
    found = calibration([[0.5, 0.5], [1.0, 0.0]], [0, 0], bins=4)
    assert found.counts.tolist() == [0, 1, 0, 1]
    assert np.isnan(found.accuracies[[0, 2]]).all()


def test_what_is_no_probability_is_refused():
    with pytest.raises(ValueError, match="take the softmax of logits"):
        calibration([[3.0, -1.0]], [0])
    with pytest.raises(ValueError, match=r"\(2, 2\) of \(3,\)"):
        calibration([[0.5, 0.5]] * 2, [0, 1, 1])
    with pytest.raises(ValueError, match="not 0"):
        calibration([[0.5, 0.5]], [0], bins=0)


def test_what_is_no_probability_or_no_class_has_no_calibration():
    with pytest.raises(ValueError, match="each row of probabilities"):
        calibration(np.full((3, 2), np.nan), [0, 1, 0])
    for labels in ([0, 1, 2], [0, -1, 1], [0.0, 1.0, 0.5]):
        with pytest.raises(ValueError, match="labels are the numbers of classes, 0 to 1"):
            calibration(np.full((3, 2), 0.5), labels)
