"""Probabilities of classes from logits, in float64."""

import keras
import numpy as np


def softmax(logits: np.ndarray) -> np.ndarray:
    """Returns the probabilities (B, classes) of logits (B, classes)."""
    e = np.exp(logits.astype("float64") - logits.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


def probabilities(model: keras.Model, images: np.ndarray, batch: int = 250) -> np.ndarray:
    """Returns the probabilities (B, classes) that a model of logits gives for `images` (B, H, W, C)."""
    return softmax(np.asarray(model.predict(images, batch_size=batch, verbose=0)))
