"""Draws a confusion matrix, of ten classes or of a thousand."""

import os
from collections.abc import Sequence
from typing import Any

import numpy as np

from keras_vit.backend import load
from keras_vit.pictures.figure import new_figure, shortened, wrapped, write_figure

COUNTED, NAMED = 20, 50  # classes up to which counts fit into the cells, and names beside the axes
CELLS = 250  # a side; an eye would not find smaller ones
PAIRS = 20  # listed where they don't
NAME = 24  # characters of a name that are shown
INCHES = 7.0


def confusion_picture(
    path: str | os.PathLike, matrix: np.ndarray, labels: Sequence[str], title: str, pairs: Sequence[dict[str, Any]]
) -> None:
    """Writes a PNG to `path`: `matrix` (true classes, predicted classes), each row as shares of the class's images.

    Few classes have their counts written in; where these don't fit, the first of `pairs`, which `most_confused` found,
    are listed beside it. Of many classes a cell shows the largest share of several, so that no confusion is lost
    between the pixels.
    """
    count, images = len(labels), matrix.sum(1, keepdims=True)
    figure, axes, beside = _places(count)
    shares, block = _pooled(np.where(images > 0, matrix / np.maximum(images, 1), -1))
    axes.set(xlabel="predicted class", ylabel="true class" if images.all() else "true class (grey: without images)")
    right = f"{np.trace(matrix) / matrix.sum():.2%} of {matrix.sum():,} images right"
    axes.set_title(f"{wrapped(title, INCHES)}\n{right}", pad=12)
    _show(figure, axes, shares, block)
    if count <= NAMED:
        _name(axes, [shortened(label, NAME) for label in labels])
    if count <= COUNTED:
        _write_counts(axes, matrix, shares)
    else:
        _list(beside, pairs[:PAIRS])
    write_figure(path, figure)


def _pooled(shares):
    """Returns the largest of each block x block shares, and `block`, the smallest that leaves few enough cells."""
    block = -(-len(shares) // CELLS)
    wide = np.pad(shares, (0, -len(shares) % block), constant_values=-1)
    cells = len(wide) // block
    return wide.reshape(cells, block, cells, block).max((1, 3)), block


def _show(figure, axes, shares, block):
    colours = load("matplotlib").colormaps["viridis"].with_extremes(under="0.75")
    # the root lets a share of 1 % be seen, which matters more than telling 90 % from 95 %
    norm = load("matplotlib.colors").PowerNorm(0.5, 0, 1)
    end = len(shares) * block - 0.5
    shown = axes.imshow(shares, cmap=colours, norm=norm, interpolation="nearest", extent=(-0.5, end, end, -0.5))
    bar = figure.colorbar(shown, ax=axes, shrink=0.8, pad=0.02, ticks=[0, 0.01, 0.05, 0.1, 0.25, 0.5, 0.75, 1])
    bar.ax.yaxis.set_major_formatter(load("matplotlib.ticker").PercentFormatter(1.0))
    bar.set_label(f"{f'largest of {block} x {block} classes: ' if block > 1 else ''}share of the true class' images")


def _places(count):
    """Returns the figure, the axes of the matrix, and those of the list where one is needed."""
    if count <= COUNTED:
        figure, ((axes,),) = new_figure(1, 1, (INCHES + 1.5, INCHES))
        return figure, axes, None
    figure, ((axes, beside),) = new_figure(1, 2, (2 * INCHES, INCHES), width_ratios=(1.35, 1))
    return figure, axes, beside


def _name(axes, names):
    size = min(10, 330 / len(names))
    places = range(len(names))
    upright = max(map(len, names)) > 3
    axes.set_xticks(places, names, fontsize=size, rotation=90 if upright else 0)
    axes.set_yticks(places, names, fontsize=size)


def _write_counts(axes, matrix, shares):
    size = min(11, 160 / len(matrix), 450 / len(matrix) / len(f"{matrix.max():,}"))
    for (i, j), number in np.ndenumerate(matrix):
        if number:  # empty cells are most, and let the others stand out
            colour = "black" if shares[i, j] > 0.4 else "white"
            axes.text(j, i, f"{number:,}", ha="center", va="center", fontsize=size, color=colour)


def _list(axes, pairs):
    axes.set_axis_off()
    axes.set_title(
        "most confused (true → predicted)" if pairs else "nothing is confused", loc="left", fontweight="bold"
    )
    lines = [f"{pair['images']:,} of {pair['of']:,}" for pair in pairs]
    for i, (line, pair) in enumerate(zip(lines, pairs, strict=True)):
        height = 0.97 - i / PAIRS
        axes.text(0.18, height, line, ha="right", transform=axes.transAxes)
        axes.text(
            0.22,
            height,
            " → ".join(shortened(pair[key], NAME) for key in ("true", "predicted")),
            transform=axes.transAxes,
        )
