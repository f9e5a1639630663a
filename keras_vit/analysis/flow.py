"""Attention followed through the blocks of a model, back from what the head reads to the cells of the image."""

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import keras
import numpy as np

from keras_vit import heads, layers
from keras_vit.keras_internals import call_node
from keras_vit.taps import intermediates_of, tap


@dataclasses.dataclass(frozen=True)
class Attending:
    """A block that attends, and where its tokens lie."""

    name: str  # of its attention tap
    block: layers.Tappable
    grid: tuple[int, int]  # of its cells
    prefix: int  # tokens before the cells
    places: np.ndarray | None  # cells of each window, (windows, N); None where all tokens meet

    def matrices(self, tapped: Mapping[str, Any]) -> np.ndarray:
        """Returns its matrices in float64, (B, heads, Q, K) or (B, windows, heads, N, N)."""
        return np.asarray(tapped[self.name], "float64")


def attention_names(model: keras.Model) -> list[str]:
    """Returns the names of the attention taps of `model`, in the order of its graph."""
    return list(_attending_blocks(model))


def attending(model: keras.Model, images: np.ndarray, names: Iterable[str] | None = None) -> list[Attending]:
    """Returns for each attention tap of `names` (by default all) its Attending on images of this size."""
    names = attention_names(model) if names is None else names
    blocks = _attending_blocks(model)
    return [_attending(model, images, name, blocks[name]) for name in names]


UNSAID = (
    "no head says what it reads; end the model with keras_vit.heads.classify, "
    "or with keras_vit.heads.LinearHead(classes, reads='token') or reads='mean'"
)


def reading(model: keras.Model) -> heads.Reading:
    """Returns what the head of `model` reads; ValueError says what to do where it doesn't say so."""
    found = heads.reading(model)
    if found is None:
        raise ValueError(f"of {model.name} {UNSAID}")
    return found


def grid_of(model: keras.Model, tensor: keras.KerasTensor, images: np.ndarray) -> tuple[int, int]:
    """Returns the size (h, w) of a map in the graph of `model`, on images of this size."""
    height, width = _shape(model, tensor, images)[1:3]
    return height, width


def token_grid(model: keras.Model, images: np.ndarray) -> tuple[int, int]:
    """Returns the size (h, w) of the map whose cells became the tokens of `model`."""
    maps = [call_node(model, each).arguments.args[0] for each in model.layers if isinstance(each, layers.ToTokens)]
    grids = {grid_of(model, each, images) for each in maps}
    if len(grids) != 1:
        raise ValueError(f"the tokens of {model.name} come from {len(grids)} maps of different sizes, not from one")
    return grids.pop()


def _shape(model, tensor, images):
    """Returns the shape of a tensor in the graph of `model`, on images of this size; its batch may be None."""
    if None in tensor.shape[1:]:
        tensor = keras.Model(model.input, tensor)(images[:1])
    return tuple(tensor.shape)


def follow(
    model: keras.Model,
    blocks: Sequence[Attending],
    matrices: Sequence[np.ndarray],
    keep: float,
    move: float,
    normalise: bool = False,
) -> np.ndarray:
    """Returns the row that the head reads of the product over blocks of keep I + move A, on the cells (B, h, w).

    `matrices` are the heads' one matrix of each block, (B, Q, K) or (B, windows, N, N). Going back from the head, the
    row alone is multiplied, so nothing the size of a matrix is made. Tokens that don't ask, or don't exist
    yet, stay what they are. Where a stage has merged cells, a cell's share is split among those it came
    from. With `normalise` the rows of each factor are made to sum to 1.
    """
    grid, prefix = blocks[-1].grid, blocks[-1].prefix
    row, read = np.zeros((len(matrices[0]), prefix + grid[0] * grid[1])), reading(model)
    if read.pool == "token":
        row[:, read.token] = 1.0
    else:
        row[:, prefix:] = 1.0 / (grid[0] * grid[1])
    for block, matrix in zip(reversed(blocks), reversed(matrices), strict=True):
        row, grid = _spread(row, grid, block.grid), block.grid
        gather = _gather if block.places is None else _gather_windows
        row = gather(row, block, matrix, keep, move, normalise)
    return row[:, prefix:].reshape(-1, *grid)


def _gather(row, block, matrix, keep, move, normalise):
    asking, tokens = matrix.shape[1:]
    first = row.shape[1] - tokens  # those before are put there by a later layer
    asked = row[:, first : first + asking]
    if normalise:
        asked = asked / (keep + move * matrix.sum(axis=-1))
    new = row.copy()
    new[:, first : first + asking] = keep * asked
    new[:, first:] += move * np.einsum("bq,bqk->bk", asked, matrix)
    return new


def _gather_windows(row, block, matrix, keep, move, normalise):
    real = block.places >= 0
    asked = np.where(real, row[:, block.places], 0.0)  # (B, windows, N)
    if normalise:
        asked = asked / (keep + move * matrix.sum(axis=-1))
    new, given = np.zeros_like(row), keep * asked + move * np.einsum("bwq,bwqk->bwk", asked, matrix)
    new[:, block.places[real]] = given[:, real]  # every cell is in one window only
    return new


def _spread(row, grid, onto):
    """Returns a row over the cells of `grid` as one over those of the larger map `onto`, shared evenly."""
    if grid == onto:
        return row
    steps = [-(-large // small) for small, large in zip(grid, onto, strict=True)]
    parent = [
        np.minimum(np.arange(large) // step, small - 1) for small, large, step in zip(grid, onto, steps, strict=True)
    ]
    parent = (parent[0][:, None] * grid[1] + parent[1]).ravel()
    children = np.bincount(parent, minlength=grid[0] * grid[1])
    return row[:, parent] / children[parent]


def _attending_blocks(model):
    """Returns {attention tap: block} of `model`, in the order of its graph."""
    every = ((layer, name, what) for layer in model.layers for name, what in intermediates_of(layer).items())
    return {name: layer for layer, name, what in every if what == "attention"}


def _attending(model, images, name, block):
    called = call_node(model, block).arguments.args[0]
    if len(called.shape) == 4:
        grid = grid_of(model, called, images)
        return Attending(name, block, grid, 0, block.attention.places(grid))
    grid = token_grid(model, images)
    return Attending(name, block, grid, _shape(model, called, images)[1] - grid[0] * grid[1], None)


def tapped_matrices(model: keras.Model, images: np.ndarray, blocks: Sequence[Attending]) -> dict[str, Any]:
    """Returns {name: matrices} of these blocks on `images`."""
    return tap(model, [each.name for each in blocks])(images, training=False)
