"""Weights that are refused."""

import numpy as np
import pytest

import keras_vit
from keras_vit.weights import CheckpointError


def refusal(model, path, **options):
    """Returns what load_weights answers, having seen that it left `model` alone."""
    before = [np.array(w) for w in model.weights]
    with pytest.raises(CheckpointError) as caught:
        keras_vit.load_weights(model, path, **options)
    assert all(np.array_equal(w, old) for w, old in zip(model.weights, before, strict=True))
    return str(caught.value)
