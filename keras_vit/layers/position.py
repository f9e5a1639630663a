"""Positions of the cells of a map: learned or fixed, for any grid."""

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from keras import ops

from keras_vit.layers.inputs import pair


def resize_table(table: Any, size: Sequence[Any]) -> Any:
    """Resizes `table` (h, w, D) to `size` = (height, width) by antialiased bicubic interpolation.

    `size` may hold tensors, so that a graph can resize to the size of its input. Written as two matrix
    products: keras.ops.image.resize takes no size that is known only when the graph runs.
    """
    table = ops.cast(ops.convert_to_tensor(table), "float32")
    height, width, depth = table.shape
    rows = ops.matmul(_bicubic(size[0], height), ops.reshape(table, (height, width * depth)))
    rows = ops.transpose(ops.reshape(rows, (-1, width, depth)), (1, 0, 2))
    cells = ops.matmul(_bicubic(size[1], width), ops.reshape(rows, (width, -1)))
    return ops.transpose(ops.reshape(cells, (size[1], size[0], depth)), (1, 0, 2))


def _bicubic(count, known):
    """Returns the matrix (count, known) that interpolates `known` samples at `count` places (Keys 1981, a = -0.5)."""
    ratio = known / ops.cast(count, "float32")
    centres = (ops.cast(ops.arange(count), "float32") + 0.5) * ratio - 0.5
    scale = ops.maximum(ratio, 1.0)  # a shrinking table is smoothed first, as PIL and timm do
    x = ops.abs(ops.arange(known, dtype="float32")[None] - centres[:, None]) / scale
    near = (1.5 * x - 2.5) * x * x + 1.0
    far = ((-0.5 * x + 2.5) * x - 4.0) * x + 2.0
    weights = ops.where(x < 1, near, ops.where(x < 2, far, 0.0))
    return weights / ops.sum(weights, axis=1, keepdims=True)


def sine_cosine(grid: Sequence[int], width: int, temperature: float = 10000.0) -> np.ndarray:
    """Returns the fixed table (h, w, width) of Vaswani et al. 2017 in two dimensions.

    Its four quarters are sin(x), cos(x), sin(y), cos(y) (Chen, Xie and He 2021, arXiv 2104.02057).
    """
    if width % 4:
        raise ValueError(f"a sine-cosine position needs a width that 4 divides, not {width}")
    omega: Any = temperature ** -(np.arange(width // 4) / (width // 4))
    y, x = np.meshgrid(np.arange(grid[0]), np.arange(grid[1]), indexing="ij")
    x, y = x[..., None] * omega, y[..., None] * omega
    return np.concatenate([np.sin(x), np.cos(x), np.sin(y), np.cos(y)], axis=-1).astype("float32")


@keras.saving.register_keras_serializable("keras_vit")
class PositionEmbedding(keras.layers.Layer):
    """Adds to each cell of a map its position: (B, h, w, D) to (B, h, w, D).

    `kind` "learned" keeps a table for a grid of (h, w) cells, "sincos" computes a fixed one. A map of
    another size than `grid`, or of open size, gets the table resized bicubically in the graph; weights
    of another grid are resized as they are loaded.
    """

    def __init__(self, grid: int | tuple[int, int], kind: str = "learned", **kwargs: Any):
        super().__init__(**kwargs)
        if kind not in ("learned", "sincos"):
            raise ValueError(f"kind is 'learned' or 'sincos', not {kind!r}")
        self.grid = pair(grid, "grid")
        self.kind = kind

    def build(self, shape: tuple) -> None:
        if self.kind == "learned":
            normal = keras.initializers.TruncatedNormal(stddev=0.02)
            self.table = self.add_weight((*self.grid, shape[-1]), normal, name="table")
        else:
            self.table = sine_cosine(self.grid, shape[-1])

    def call(self, cells: Any) -> Any:
        fits = tuple(cells.shape[1:3]) == self.grid
        table = ops.convert_to_tensor(self.table) if fits else resize_table(self.table, ops.shape(cells)[1:3])
        return cells + ops.cast(table, cells.dtype)

    def compute_output_shape(self, shape: tuple) -> tuple:
        return shape

    def load_own_variables(self, store: Any) -> None:
        if "0" in store and tuple(store["0"].shape) != tuple(self.table.shape):
            self.table.assign(resize_table(np.asarray(store["0"]), self.grid))
        else:
            super().load_own_variables(store)
