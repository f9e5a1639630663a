"""How well the cells of a layer still know which part of the image they came from."""

import dataclasses
from typing import Any

import keras
import numpy as np
from keras import ops

from keras_vit.analysis.cells import cells_of, check_batch, last_block, model_and_images
from keras_vit.analysis.cka import MinibatchCKA
from keras_vit.analysis.watching import watched
from keras_vit.taps import check_names, tap


@dataclasses.dataclass(frozen=True)
class Localisation:
    """CKA of each token of a layer with each patch of the images; NaN where a patch is alike in all images."""

    layer: str
    patch: tuple[int, int]  # pixels
    prefix: np.ndarray  # (P, rows, columns) of the tokens before the cells, the class token first
    cells: np.ndarray  # (h, w, rows, columns)


def localisation(
    model: keras.Model | str,
    images: np.ndarray,
    name: str | None = None,
    patch: int | tuple[int, int] | None = None,
    batch: int = 64,
    kernel: str = "linear",
    bandwidth: float = 1.0,
) -> Localisation:
    """Returns the CKA over images between each token of a layer and each patch of the images, a Localisation.

    Raghu et al. 2021 (arXiv 2108.08810), section 7: a token that kept its place is most like the patch it came from.
    `name` is a tap that has cells, by default the last block. The patches, which don't overlap, have sides of
    `patch` pixels, by default so many that each cell has its own; what fills no patch is left out. `images` (B, H, W,
    C) are taken in minibatches of `batch`, at least 4, and a smaller last one is left out, as in `cka`.
    Raises ValueError where the layer has one place only, and for too few images.

    >>> found = keras_vit.analysis.localisation(model, images, "block_1")
    >>> found.cells.shape, found.patch  # each of 4 x 4 cells with each of 4 x 4 patches of 8 px
    ((4, 4, 4, 4), (8, 8))
    """
    (model, images), batch = model_and_images(model, images), check_batch(batch)
    name = last_block(model) if name is None else name
    check_names(model, [name])
    tapped, size = tap(model, name), min(batch, len(images))
    if size < 4:
        raise ValueError(f"CKA needs minibatches of 4 images or more, not {size}")
    summed: Any = None
    for i in watched(range(0, len(images) - size + 1, size), f"localisation in {name}"):
        given = images[i : i + size]
        values = ops.convert_to_numpy(ops.cast(tapped(given, training=False)[name], "float32"))
        if summed is None:
            cells = cells_of(model, images, name, values.shape)
            sides = _patch(patch, cells, images, name, model)
            grid = tuple(side // step for side, step in zip(images.shape[1:3], sides, strict=True))
            tokens = cells.prefix + cells.grid[0] * cells.grid[1]
            summed = MinibatchCKA(tokens, grid[0] * grid[1], kernel, bandwidth)
        tokens_first = np.moveaxis(values.reshape(size, -1, values.shape[-1]), 1, 0)
        summed.update(tokens_first, _patches(given, grid, sides))
    found = summed.result(undefined=np.nan).reshape(-1, *grid)
    return Localisation(name, sides, found[: cells.prefix], found[cells.prefix :].reshape(*cells.grid, *grid))


def _patch(patch, cells, images, name, model):
    """Returns the sides (height, width) of a patch, in pixels."""
    if patch is None:
        if cells.grid == (1, 1):
            raise ValueError(
                f"{name!r} of {model.name} has one cell on images of this size; take an earlier layer or a model that "
                "keeps a map"
            )
        return tuple(max(side // count, 1) for side, count in zip(images.shape[1:3], cells.grid, strict=True))
    patch = (patch, patch) if isinstance(patch, int) else tuple(patch)
    if any(not 0 < step <= side for step, side in zip(patch, images.shape[1:3], strict=True)):
        raise ValueError(f"patch is a side in pixels, at most that of the images {images.shape[1:3]}, not {patch}")
    return patch


def _patches(images, grid, patch):
    """Returns the patches of `images` row by row, (rows * columns, B, pixels)."""
    (rows, columns), (height, width) = grid, patch
    cut = images[:, : rows * height, : columns * width].reshape(len(images), rows, height, columns, width, -1)
    return cut.transpose(1, 3, 0, 2, 4, 5).reshape(rows * columns, len(images), -1)
