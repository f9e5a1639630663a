"""Images damaged on purpose, to see how much a classifier bears; each damage is a pure function of its seed."""

import dataclasses
from collections.abc import Callable

import numpy as np

GRID = 8  # cells a side, of which an occlusion hides some


@dataclasses.dataclass(frozen=True)
class Corruption:
    """A way to damage images, and the levels at which it is commonly looked at, from mild to severe."""

    change: Callable = dataclasses.field(repr=False)  # (images, level, random generator) -> images
    levels: tuple
    unit: str  # what a level is
    most: float = float("inf")  # that a level can be


def corrupt(images: np.ndarray, kind: str, level: float, seed: int = 0) -> np.ndarray:
    """Returns `images` (B, H, W, C), of 0 to 1, damaged as one of `CORRUPTIONS` says; an image's damage needs no other.

    - "noise": Gaussian noise of standard deviation `level` is added to each number, and what leaves 0 to 1 is cut.
    - "blur": a Gaussian of standard deviation `level` times the shorter side blurs it.
    - "contrast": each channel is drawn to its mean, `level` of the way.
    - "occlusion": of 8 by 8 cells a share `level`, drawn at random, is painted over with the image's mean colour.
    - "shuffle": the cells of a grid of `level` by `level` change places at random.

    The first three after Hendrycks and Dietterich 2019 (arXiv 1903.12261), the last two after Naseer et al. 2021
    (arXiv 2105.10497). A `level` of 0 changes nothing. Raises ValueError for what is no damage, level or image.
    """
    if kind not in CORRUPTIONS:
        raise ValueError(f"no damage {kind!r}; it is one of {', '.join(CORRUPTIONS)}")
    known, images = CORRUPTIONS[kind], np.asarray(images, "float32")
    if images.ndim != 4 or (images.size and not (images.min() >= 0 and images.max() <= 1)):
        raise ValueError(f"images are (B, H, W, C) of 0 to 1, not {images.shape}" + _reach(images))
    if level == 0:
        return images.copy()
    if not 0 < level <= known.most:
        limit = "" if known.most == float("inf") else f" and at most {known.most:g}"
        raise ValueError(f"the level of {kind!r} is above 0{limit}, or 0 for none, not {level!r}")
    return known.change(images, level, np.random.default_rng(seed)).astype("float32")


def noise(images: np.ndarray, deviation: float, rng: np.random.Generator) -> np.ndarray:
    """Adds Gaussian noise."""
    return np.clip(images + deviation * rng.standard_normal(images.shape, dtype="float32"), 0, 1)


def blur(images: np.ndarray, deviation: float, rng: np.random.Generator) -> np.ndarray:
    """Averages each pixel with its neighbours, of which there are fewer at the edge."""
    del rng
    height, width = images.shape[1:3]
    rows, columns = (_gaussian(side, deviation * min(height, width)) for side in (height, width))
    return np.einsum("yY,xX,bYXc->byxc", rows, columns, images, optimize=True)


def contrast(images: np.ndarray, loss: float, rng: np.random.Generator) -> np.ndarray:
    """Draws all pixels to the mean of their channel."""
    del rng
    mean = images.mean(axis=(1, 2), keepdims=True)
    return mean + (1 - loss) * (images - mean)


def occlusion(images: np.ndarray, share: float, rng: np.random.Generator) -> np.ndarray:
    """Paints over cells of a grid."""
    hidden: np.ndarray = np.zeros((len(images), GRID * GRID), bool)
    hidden[:, : round(share * GRID * GRID)] = True
    hidden = rng.permuted(hidden, axis=1).reshape(-1, GRID, GRID)
    y, x = (np.arange(side) * GRID // side for side in images.shape[1:3])
    return np.where(hidden[:, y][:, :, x][..., None], images.mean(axis=(1, 2), keepdims=True), images)


def shuffle(images: np.ndarray, side: float, rng: np.random.Generator) -> np.ndarray:
    """Lets cells change places."""
    count, height, width, channels = images.shape
    if side != int(side) or height % side or width % side:
        raise ValueError(f"{side} by {side} cells don't fit into images of {height} by {width} px; 2 might")
    high, wide, side = height // int(side), width // int(side), int(side)
    cells = images.reshape(count, side, high, side, wide, channels).swapaxes(2, 3).reshape(count, side * side, -1)
    order = rng.permuted(np.tile(np.arange(side * side), (count, 1)), axis=1)
    cells = np.take_along_axis(cells, order[..., None], axis=1)
    return cells.reshape(count, side, side, high, wide, channels).swapaxes(2, 3).reshape(images.shape)


def _gaussian(count, deviation):
    """Returns the matrix (count, count) that blurs a line of pixels; its rows sum to 1."""
    apart = np.arange(count)[:, None] - np.arange(count)
    weights = np.exp(-(apart**2) / (2 * deviation**2))
    return (weights / weights.sum(axis=1, keepdims=True)).astype("float32")


def _reach(images):
    return f" of {images.min():.3g} to {images.max():.3g}" if images.size else ""


CORRUPTIONS = {
    "noise": Corruption(noise, (0.05, 0.1, 0.2, 0.3), "standard deviation of the noise"),
    "blur": Corruption(blur, (0.015, 0.03, 0.045, 0.06), "standard deviation, in sides of the image"),
    "contrast": Corruption(contrast, (0.25, 0.5, 0.75, 0.9), "share of the contrast lost", most=1),
    "occlusion": Corruption(occlusion, (0.125, 0.25, 0.5, 0.75), "share of the image hidden", most=1),
    "shuffle": Corruption(shuffle, (2, 4, 8), "cells a side that are shuffled"),
}
