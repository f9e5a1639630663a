"""Attention within windows, laid on the map that the windows were cut from."""

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np

from keras_vit.keras_internals import call_node
from keras_vit.taps import block_of, check_names


def lay_windows(model: keras.Model, name: str, windows: np.ndarray, size: Sequence[int] | None = None) -> np.ndarray:
    """Returns the attention of windows as one matrix over the cells of the map, (B, heads, h * w, h * w).

    `windows` (B, windows, heads, N, N) is what the tap called `name` gave, such as "stage_0_attention_1". Cells
    that share no window have 0 for each other, and what a cell gives to padding is left out, so a row may
    sum to less than 1. `size` (h, w) is that of the map, needed where the model is open to images of any size.
    Raises ValueError for a tap that is no attention within windows, and for `windows` of another map.

    >>> swin = keras_vit.build("swin-t", blocks=(1, 1, 1, 1), width=32, window=4, image_size=32)
    >>> windows = keras_vit.taps.tap(swin, "stage_0_attention_0")(images)["stage_0_attention_0"]
    >>> windows.shape, keras_vit.analysis.lay_windows(swin, "stage_0_attention_0", windows).shape
    (TensorShape([12, 4, 1, 16, 16]), (12, 1, 64, 64))
    """
    check_names(model, [name])
    block: Any = block_of(model, name)
    if "attention_" not in name or not hasattr(getattr(block, "attention", None), "places"):
        raise ValueError(f"{name!r} of {model.name} is no attention within windows")
    size = size or call_node(model, block).arguments.args[0].shape[1:3]
    if None in size:
        raise ValueError(f"{model.name} takes images of any size: give size=(h, w), that of the map of {name!r}")
    places, windows = block.attention.places(tuple(size)), np.asarray(windows, "float32")
    if windows.ndim != 5 or windows.shape[1::2] != places.shape:
        raise ValueError(
            f"windows of {name!r} on a map of {tuple(size)} are (B, {places.shape[0]}, heads, {places.shape[1]}, "
            f"{places.shape[1]}), not {windows.shape}"
        )
    count = size[0] * size[1]
    whole = np.zeros((len(windows), windows.shape[2], count, count), "float32")
    for cells, matrix in zip(places, np.moveaxis(windows, 1, 0), strict=True):
        real = cells >= 0
        whole[:, :, cells[real][:, None], cells[real]] = matrix[:, :, real][..., real]
    return whole
