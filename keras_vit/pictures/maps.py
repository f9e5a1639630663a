"""Pictures of what weights and maps of a network look like beside the image."""

import os
from collections.abc import Mapping, Sequence
from fractions import Fraction

import numpy as np

from keras_vit import backend
from keras_vit.pictures.canvas import (
    colour_bar,
    drawing,
    show_image,
    show_shares,
    show_signed,
)
from keras_vit.pictures.figure import VERMILION


def weights_picture(path: str | os.PathLike, weights: np.ndarray | Sequence[np.ndarray], titles: Sequence[str]) -> None:
    """Writes a PNG to `path`: the weights (count, h, w) of neurons as pictures, in two rows."""
    columns = -(-len(weights) // 2)
    with drawing(path, (1.35 * columns + 0.9, 3.4), 2, columns) as (figure, axes):
        for axis, each, title in zip(axes.flat, weights, titles, strict=False):
            shown = show_signed(axis, each, title, np.abs(weights).max())
        colour_bar(figure, shown, axes, "weight of a pixel")


def convolution_picture(
    path: str | os.PathLike,
    image: np.ndarray,
    kernels: np.ndarray | Sequence[np.ndarray],
    maps: np.ndarray | Sequence[np.ndarray],
    titles: Sequence[str],
) -> None:
    """Writes a PNG to `path`: an image, and for each kernel (k, k) its map (h, w) above its numbers."""
    count = len(kernels) + 1
    with drawing(path, (2.2 * count, 3.0), 2, count, height_ratios=(2, 1)) as (_, axes):
        show_image(axes[0, 0], image, "image")
        axes[1, 0].axis("off")
        for column, (kernel, cells, title) in enumerate(zip(kernels, maps, titles, strict=True), start=1):
            if cells.min() < 0:
                show_signed(axes[0, column], cells, title)
            else:
                show_image(axes[0, column], cells, title)
            show_signed(axes[1, column], kernel)
            for (row, place), value in np.ndenumerate(kernel):
                dark = abs(value) > 0.6 * np.abs(kernel).max()
                number = str(Fraction(float(value)).limit_denominator(100)).replace("-", "\N{MINUS SIGN}")
                axes[1, column].text(place, row, number, ha="center", va="center", color="w" if dark else "k")


def feature_maps_picture(
    path: str | os.PathLike,
    image: np.ndarray,
    kernels: np.ndarray | Sequence[np.ndarray],
    maps: np.ndarray | Sequence[np.ndarray],
) -> None:
    """Writes a PNG to `path`: an image, and each kernel (k, k) of a layer above the map (h, w) that it makes."""
    count = len(kernels)
    with drawing(path, (1.25 * (count + 1) + 0.8, 2.9), 2, count + 1) as (figure, axes):
        show_image(axes[0, 0], image, "image")
        axes[1, 0].axis("off")
        for column in range(count):
            weight = show_signed(axes[0, column + 1], kernels[column], f"kernel {column + 1}", np.abs(kernels).max())
            value = show_signed(axes[1, column + 1], maps[column], "its map", np.abs(maps).max())
        colour_bar(figure, weight, axes[0], "weight")
        colour_bar(figure, value, axes[1], "activation")


def receptive_fields_picture(
    path: str | os.PathLike, image: np.ndarray, slopes: np.ndarray | Sequence[np.ndarray], titles: Sequence[str]
) -> None:
    """Writes a PNG to `path`: for each cell asked about, the pixels that it depends on, in a square around them.

    `slopes` are the absolute gradients (H, W) of its value with respect to the pixels of `image` (H, W); what is
    exactly 0 lies outside of the square. The brightness is that of their square root, averaged over 4x4 pixels.
    """
    step, patches = 4, backend.load("matplotlib.patches")
    with drawing(path, (2.3 * len(slopes), 2.6), 1, len(slopes)) as (_, axes):
        for axis, slope, title in zip(axes[0], slopes, titles, strict=True):
            left, top, width, height = extent_of(slope)
            bright = np.sqrt(_coarser(slope, step))
            bright = bright / bright.max()
            show_image(axis, 0.5 * _coarser(image, step), f"{title}: {max(width, height)} px")
            axis.imshow(bright, cmap="viridis", alpha=np.minimum(1, 2 * bright), vmin=0, vmax=1)
            corner = (left / step - 0.5, top / step - 0.5)
            square = patches.Rectangle(
                corner, width / step, height / step, fill=False, edgecolor=VERMILION, linewidth=2
            )
            axis.add_patch(square)


def extent_of(slope: np.ndarray) -> tuple[int, int, int, int]:
    """Returns (left, top, width, height) in pixels of the part of a map (H, W) outside which all is 0."""
    rows, columns = np.flatnonzero(slope.any(axis=1)), np.flatnonzero(slope.any(axis=0))
    return columns[0], rows[0], columns[-1] - columns[0] + 1, rows[-1] - rows[0] + 1


def looks_picture(
    path: str | os.PathLike,
    images: np.ndarray | Sequence[np.ndarray],
    seen: Mapping[str, np.ndarray | Sequence[np.ndarray]],
    titles: Sequence[str],
) -> None:
    """Writes a PNG to `path`: images (count, H, W), and a row below for each of `seen`, {name: maps (count, H, W)}.

    Each map is shown over its image, from its own 0 to its own largest value.
    """
    count = len(images)
    with drawing(path, (1.1 * count + 0.7, 1.15 * (len(seen) + 1) + 0.3), len(seen) + 1, count) as (figure, axes):
        for column, (image, title) in enumerate(zip(images, titles, strict=True)):
            image = np.squeeze(image)
            show_image(axes[0, column], image, title)
            for row, maps in enumerate(seen.values(), start=1):
                shown = show_shares(axes[row, column], maps[column] / (maps[column].max() or 1), largest=1)
                axes[row, column].contour(image, levels=[0.5], colors="w", linewidths=0.8)
        for row, name in enumerate(("image", *seen)):
            axes[row, 0].set_ylabel(name, fontsize=10)
        colour_bar(figure, shown, axes[1:], "share of the largest")


def _coarser(image, step):
    height, width = (side // step for side in image.shape)
    return image[: height * step, : width * step].reshape(height, step, width, step).mean(axis=(1, 3))
