"""Which cell of the image each number of a tap belongs to."""

import dataclasses
import re
from collections.abc import Sequence

import keras
import numpy as np

from keras_vit.analysis import flow
from keras_vit.analysis.numbers import whole_number
from keras_vit.heads import HEADS
from keras_vit.keras_internals import call_node
from keras_vit.layers import ToTokens
from keras_vit.models import model_of
from keras_vit.taps import list_taps

_BY_HEAD = re.compile(
    r"(.*_)?(query|key|value|attention|token_mlp)_\d+"
)  # parts of blocks whose second axis is no place


@dataclasses.dataclass(frozen=True)
class Cells:
    """The grid of a tap, and how many tokens stand before its cells."""

    grid: tuple[int, int]
    prefix: int

    def split(self, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Returns values (B, N, ...) or (B, h, w, ...) as those of the prefix (B, P, ...) and the cells (B, h, w, ...).

        Of an array without a batch give `values[None]`.
        """
        if values.shape[1:3] == self.grid and not self.prefix:
            return values[:, :0, 0], values
        return values[:, : self.prefix], values[:, self.prefix :].reshape(len(values), *self.grid, *values.shape[2:])


def cells_of(model: keras.Model, images: np.ndarray, name: str, shape: Sequence[int]) -> Cells:
    """Returns the Cells of the tap called `name`, which gives tensors of `shape` on images of this size.

    Raises ValueError for a tap whose numbers lie nowhere on the image.
    """
    shape = tuple(shape)
    if not _BY_HEAD.fullmatch(name):
        if len(shape) == 4:
            return Cells((shape[1], shape[2]), 0)
        if len(shape) == 3 and any(isinstance(layer, ToTokens) for layer in model.layers):
            grid = flow.token_grid(model, images)
            prefix = shape[1] - grid[0] * grid[1]
            if prefix >= 0:
                return Cells(grid, prefix)
    raise ValueError(
        f"{name!r} of {model.name} gives {('B', *shape[1:])}, no cells of a map; take a layer such as "
        f"{', '.join(map(repr, layers_with_cells(model)[-2:])) or 'one of another model: none here has cells'}"
    )


def layers_before_head(model: keras.Model) -> list[str]:
    """Returns the taps of `model` that are outputs of its layers, up to its head."""
    layers = {layer.name for layer in model.layers}
    return [name for name in list_taps(model) if name in layers and name not in (*HEADS, "logits")]


def layers_with_cells(model: keras.Model) -> list[str]:
    """Returns the names of the layers of `model` that give a map or tokens, in the order of its graph."""
    shapes = {name: call_node(model, model.get_layer(name)).outputs[0].shape for name in layers_before_head(model)}
    return [name for name, shape in shapes.items() if len(shape) in (3, 4)]


def last_block(model: keras.Model) -> str:
    """Returns the name of the last block of `model`, or where it has none of its last layer that has cells."""
    names = layers_with_cells(model)
    if not names:
        raise ValueError(f"no layer of {model.name} gives a map or tokens")
    return ([name for name in names if "block_" in name] or names)[-1]


def model_and_images(model: keras.Model | str, images: np.ndarray) -> tuple[keras.Model, np.ndarray]:
    """Returns the model, which may be named with its weights, and `images` as `check_images` does."""
    images = np.asarray(images)
    model = model_of(model, images.shape)
    return model, check_images(model, images)


def check_images(model: keras.Model, images: np.ndarray) -> np.ndarray:
    """Returns `images` as an array of the type that `model` takes, whole numbers too.

    Raises ValueError unless they are (B, H, W, C) as the model takes them, one or more, and finite.
    """
    images = np.asarray(images)
    wanted = tuple(model.input.shape[1:])
    fits = images.ndim == 4 and images.size > 0
    if not fits or any(side not in (None, got) for side, got in zip(wanted, images.shape[1:], strict=True)):
        raise ValueError(f"{model.name} takes images {('B', *wanted)}, not {images.shape}")
    if images.dtype.kind not in "buif":
        raise ValueError(f"{model.name} takes images of numbers, not of {images.dtype}")
    finite = np.isfinite(images).all(axis=(1, 2, 3))
    if not finite.all():
        broken = np.flatnonzero(~finite)
        raise ValueError(
            f"{len(broken)} of {len(images)} images hold NaN or infinity, such as number {broken[0]}; look at how they "
            "were prepared"
        )
    return images.astype(model.input.dtype, copy=False)


def check_batch(batch: int) -> int:
    """Returns `batch`; ValueError unless it is a number of images."""
    return whole_number("batch", batch, what="how many images are computed at once")
