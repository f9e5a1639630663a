"""The style of all pictures: colours, figures, and how they are saved."""

import os
import textwrap
from typing import Any

from keras_vit import backend
from keras_vit.files import replacing
from keras_vit.pictures.text import show_as_written

# Okabe and Ito 2008, "Color Universal Design": told apart by the colour-blind too
BLACK, ORANGE, SKY, GREEN = "#000000", "#E69F00", "#56B4E9", "#009E73"
BLUE, VERMILION, PURPLE = "#0072B2", "#D55E00", "#CC79A7"
PALETTE = (BLUE, VERMILION, GREEN, PURPLE, ORANGE, SKY)


def new_figure(rows: int, columns: int, size: tuple[float, float], **options: Any) -> tuple[Any, Any]:
    """Returns a figure of `size` inches and its axes (rows, columns)."""
    figure = backend.load("matplotlib.figure").Figure(figsize=size, layout="constrained")
    return figure, figure.subplots(rows, columns, squeeze=False, **options)


def write_figure(path: str | os.PathLike, figure: Any, dpi: int = 120) -> None:
    """Writes a figure as PNG to `path`, its names as they are: neither dollars nor brackets mean anything in them."""
    show_as_written(figure)
    with replacing(path) as partial:
        figure.savefig(partial, dpi=dpi, format="png")


def wrapped(title: str, inches: float) -> str:
    """Returns a title of 12 points in as many lines as it needs in a width of `inches`."""
    return textwrap.fill(title, int(10.5 * inches))


def shortened(label: str, length: int) -> str:
    """Returns a label of at most `length` characters, cut off with an ellipsis where it is longer."""
    return label if len(label) <= length else f"{label[: length - 1]}…"
