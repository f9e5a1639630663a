"""Arrays that fit a weight in all but size, made to fit: positions of another grid, kernels of other channels."""

import keras
import numpy as np
from keras import ops

from keras_vit.layers.position import PositionEmbedding, resize_table
from keras_vit.layers.relative import RelativePositionBias, resize_bias


def adapt(
    layer: keras.layers.Layer, path: str, array: np.ndarray, shape: tuple[int, ...]
) -> tuple[np.ndarray, str] | None:
    """Returns (array of `shape`, what was done) for the weight `path` of `layer`, or None where nothing fits."""
    if array.shape == shape:
        return array, "loaded"
    if isinstance(layer, PositionEmbedding) and array.ndim == 3 and array.shape[2] == shape[2]:
        table = ops.convert_to_numpy(resize_table(array, shape[:2]))
        return table, f"resized {_by(array.shape[:2])} to {_by(shape[:2])}"
    if isinstance(layer, RelativePositionBias) and array.ndim == 3 and array.shape[2] == shape[2]:
        table = ops.convert_to_numpy(resize_bias(array, layer.window))
        return table, f"resized {_by(array.shape[:2])} to {_by(shape[:2])}"
    if path.startswith("embed/") and path.endswith("/kernel") and _differ_in_channels(array.shape, shape):
        kernel = adapt_channels(array, shape[2])
        return kernel, f"adapted {array.shape[2]} to {shape[2]} channels"
    return None


def adapt_channels(kernel: np.ndarray, channels: int) -> np.ndarray:
    """Returns `kernel` (h, w, C, D) for another number of input `channels`.

    One channel gets the sum of all, so that a grey image gives what its copies in C channels gave. More
    get copies in turn, scaled by C / channels, so that sums keep their size.
    """
    known = kernel.shape[2]
    if channels == 1:
        return kernel.sum(axis=2, keepdims=True)
    return kernel[:, :, np.arange(channels) % known] * (known / channels)


def _differ_in_channels(a, b):
    return len(a) == len(b) == 4 and a[:2] == b[:2] and a[3] == b[3]


def _by(shape):
    return "x".join(map(str, shape))
