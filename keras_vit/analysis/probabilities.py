"""Probabilities of classes, in float64."""

import keras
import numpy as np

from keras_vit.outputs import probabilities_of, with_logits


def probabilities(model: keras.Model, images: np.ndarray, batch: int = 250) -> np.ndarray:
    """Returns the probabilities (B, classes) that a classifier gives for `images` (B, H, W, C).

    Each row sums to 1, unless the model's classes don't exclude each other (keras_vit.outputs).
    """
    logits, activation = with_logits(model)
    return probabilities_of(logits.predict(images, batch_size=batch, verbose=0), activation)
