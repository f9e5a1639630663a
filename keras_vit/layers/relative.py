"""Biases of attention that depend on how far apart two cells of a window stand."""

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from keras import ops

from keras_vit.layers.inputs import pair


def resize_bias(table: Any, window: Sequence[Any]) -> Any:
    """Resizes a bias `table` (2 h - 1, 2 w - 1, heads) to the one of `window` = (height, width), in float32.

    Linear between places that grow apart geometrically from the centre, so that near neighbours keep their
    biases and far ones are spread out, as BEiT is fine-tuned at other sizes (Bao et al. 2022, arXiv
    2106.08254). `window` may hold tensors, so that a graph can resize to the window of its input.
    """
    table = ops.cast(ops.convert_to_tensor(table), "float32")
    known = tuple((side + 1) // 2 for side in table.shape[:2])
    xp = np if _static(window) else ops
    same = xp.logical_and(xp.equal(window[0], known[0]), xp.equal(window[1], known[1]))
    rows, columns = (_geometric(size, of, same, xp) for size, of in zip(window, known, strict=True))
    return ops.einsum("cd,ade->ace", columns, ops.einsum("ab,bde->ade", rows, table))


def _static(window):
    return all(isinstance(side, int) for side in window)  # a side that only the graph knows is a tensor


def _geometric(size, known, same, xp):
    """Returns the matrix (2 size - 1, 2 known - 1) that resizes one axis of a table from `known` cells to `size`.

    `same` says that the whole window keeps its size: then nothing may move. `xp` is NumPy, or keras.ops
    where a size is a tensor.
    """
    far = size - 1 if xp is np else ops.cast(size - 1, "float32")
    exponents = np.arange(known - 1, dtype="float32")
    # the ratio whose last step reaches the rim, looked up between 1.01 and 1.5 (the bounds of the published code)
    ratios = np.linspace(1.01, 1.5, 1024)
    rims = np.sum(ratios[:, None] ** exponents, axis=1).astype("float32")
    ratio = 1.01 + (ratios[1] - ratios[0]) * xp.sum(_passed(far, rims, xp))
    reach = xp.cumsum(xp.where(same, 1.0, ratio) ** exponents)
    places = xp.concatenate([-xp.flip(reach), np.zeros(1, "float32"), reach])
    targets = xp.arange(2 * size - 1, dtype="float32")[:, None] - far
    # what a gap has passed more than the next one is the weight of the place between them
    passed, end = _passed(targets, places, xp), xp.ones_like(targets)
    weights = xp.concatenate([end, passed], axis=1) - xp.concatenate([passed, 0 * end], axis=1)
    return ops.cast(ops.convert_to_tensor(weights), "float32")


def _passed(x, places, xp):
    """Returns which share of each gap between neighbouring `places` lies before `x`."""
    return xp.clip((x - places[:-1]) / xp.maximum(places[1:] - places[:-1], 1e-9), 0, 1)


def _offsets(height, width):
    """Returns for each pair of the height * width cells which row of the flat table their distance has, (N, N)."""
    xp = np if _static((height, width)) else ops
    y, x = (xp.arange(size)[:, None] - xp.arange(size)[None] + size - 1 for size in (height, width))
    index = y[:, None, :, None] * (2 * width - 1) + x[None, :, None, :]
    return xp.reshape(index, (height * width, height * width))


@keras.saving.register_keras_serializable("keras_vit")
class RelativePositionBias(keras.layers.Layer):
    """Gives a learned bias (heads, N, N) for attention among the N = prefix + h * w tokens of a window of cells.

    Liu et al. 2021 (arXiv 2103.14030): one number for each head and distance, `table` (2 h - 1, 2 w - 1,
    heads). With a `prefix` of 1 a class token comes first, with three numbers of its own: as it looks at a
    cell, as a cell looks at it, and as it looks at itself. Called on a map (B, h, w, ...) of another size
    than `window`, or of open size, the table is resized in the graph; called on nothing, `window` is meant.
    Weights of another window are resized as they are loaded.
    """

    def __init__(self, window: int | tuple[int, int], heads: int, prefix: int = 0, **kwargs: Any):
        super().__init__(**kwargs)
        if prefix not in (0, 1):
            raise ValueError(f"prefix is 0 or 1, not {prefix!r}")
        self.window = pair(window, "window")
        self.heads = heads
        self.prefix = prefix

    def build(self, shape: tuple | None = None) -> None:
        height, width = self.window
        self.table = self.add_weight((2 * height - 1, 2 * width - 1, self.heads), "zeros", name="table")
        self.prefix_table: Any = self.add_weight((3, self.heads), "zeros", name="prefix") if self.prefix else None

    def call(self, cells: Any = None) -> Any:
        window = self.window if cells is None else tuple(ops.shape(cells)[1:3])
        table = ops.convert_to_tensor(self.table)
        if not _static(window) or window != self.window:
            table = ops.cast(resize_bias(table, window), self.compute_dtype)
        by_head = ops.transpose(ops.reshape(table, (-1, self.heads)))
        bias = ops.take(by_head, _offsets(*window), axis=1)
        return self._with_prefix(bias) if self.prefix else bias

    def _with_prefix(self, bias):
        asking, asked, itself = ops.unstack(ops.convert_to_tensor(self.prefix_table)[:, :, None, None], 3)
        bias = ops.concatenate([asked + ops.zeros_like(bias[:, :, :1]), bias], axis=2)
        first = ops.concatenate([itself, asking + ops.zeros_like(bias[:, :1, 1:])], axis=2)
        return ops.concatenate([first, bias], axis=1)

    def compute_output_shape(self, shape: tuple | None = None) -> tuple:
        height, width = self.window if shape is None else shape[1:3]
        count = None if height is None or width is None else self.prefix + height * width
        return (self.heads, count, count)

    def load_own_variables(self, store: Any) -> None:
        if "0" in store and tuple(store["0"].shape) != tuple(self.table.shape):
            self.table.assign(resize_bias(np.asarray(store["0"]), self.window))
            if self.prefix:
                self.prefix_table.assign(store["1"])
        else:
            super().load_own_variables(store)
