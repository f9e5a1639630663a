"""Layers with random weights, and how near their numbers are."""

import numpy as np

from keras_vit.testing import randomise


def ready(layer, *shapes):
    """Returns `layer`, built and its weights random."""
    layer.build(*shapes)
    return randomise(layer)


def close(got, expected, tolerance=2e-5):
    np.testing.assert_allclose(np.asarray(got), expected, rtol=tolerance, atol=tolerance)
