"""Arrays that fit a weight in all but size, made to fit: positions of another grid, kernels of other channels."""

import keras
import numpy as np
from keras import ops

from keras_vit.layers.position import PositionEmbedding, resize_table
from keras_vit.layers.relative import RelativePositionBias, resize_bias


def adaptation(layer: keras.layers.Layer, path: str, theirs: tuple[int, ...], shape: tuple[int, ...]) -> str | None:
    """Returns what makes an array of shape `theirs` fill the weight `path` of `layer`, of `shape`; None for nothing."""
    if theirs == shape:
        return "loaded"
    if len(theirs) == len(shape) == 3 and theirs[2] == shape[2] and min(theirs) > 0:
        table = isinstance(layer, PositionEmbedding)
        window = isinstance(layer, RelativePositionBias) and theirs[0] % 2 == theirs[1] % 2 == 1
        if table or window:
            return f"resized {_by(theirs[:2])} to {_by(shape[:2])}"
    if path.startswith("embed/") and path.endswith("/kernel") and _differ_in_channels(theirs, shape):
        return f"adapted {theirs[2]} to {shape[2]} channels"
    return None


def adapt(layer: keras.layers.Layer, array: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Returns `array` made to fill a weight of `layer` of `shape`, which `adaptation` says it can."""
    if array.shape == shape:
        return array
    if isinstance(layer, PositionEmbedding):
        return ops.convert_to_numpy(resize_table(array, shape[:2]))
    if isinstance(layer, RelativePositionBias):
        return ops.convert_to_numpy(resize_bias(array, layer.window))
    return adapt_channels(array, shape[2])


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
    return len(a) == len(b) == 4 and a[:2] == b[:2] and a[3] == b[3] and a[2] > 0


def _by(shape):
    return "x".join(map(str, shape))
