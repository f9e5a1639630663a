"""What the pictures of the lessons share: a figure that is saved, and the ways to show an array."""

import contextlib
import os
from collections.abc import Iterator
from typing import Any

import numpy as np

from keras_vit.pictures.figure import new_figure, write_figure


@contextlib.contextmanager
def drawing(
    path: str | os.PathLike, size: tuple[float, float], rows: int = 1, columns: int = 1, **options: Any
) -> Iterator[tuple[Any, Any]]:
    """Yields a figure of `size` inches and its axes (rows, columns) without ticks; saves it to `path` as a PNG."""
    figure, axes = new_figure(rows, columns, size, **options)
    for axis in axes.flat:
        axis.set(xticks=[], yticks=[])
    yield figure, axes
    write_figure(path, figure, dpi=110)


def show_image(axis: Any, image: np.ndarray, title: str = "") -> None:
    """Shows an image (H, W), (H, W, 1) or (H, W, 3) of values from 0 to 1."""
    axis.imshow(np.squeeze(image), cmap="gray", vmin=0, vmax=1, interpolation="nearest")
    axis.set_title(title, fontsize=10)


def show_signed(axis: Any, values: np.ndarray, title: str = "", largest: float | None = None) -> Any:
    """Shows a matrix, orange where it is positive, violet where negative, white at 0; returns what was drawn."""
    largest = np.abs(values).max() if largest is None else largest
    shown = axis.imshow(values, cmap="PuOr_r", vmin=-largest, vmax=largest, interpolation="nearest")
    axis.set_title(title, fontsize=10)
    return shown


def show_shares(axis: Any, values: np.ndarray, title: str = "", largest: float | None = None) -> Any:
    """Shows a matrix of what is never negative, from dark at 0 to bright; returns what was drawn."""
    largest = np.max(values) if largest is None else largest
    shown = axis.imshow(values, cmap="viridis", vmin=0, vmax=largest, interpolation="nearest")
    axis.set_title(title, fontsize=10)
    return shown


def colour_bar(figure: Any, shown: Any, axes: np.ndarray, label: str) -> None:
    """Puts the scale of what was drawn beside `axes`."""
    bar = figure.colorbar(shown, ax=axes, shrink=0.9, pad=0.015)
    bar.set_label(label, fontsize=9)
    bar.ax.tick_params(labelsize=8)
