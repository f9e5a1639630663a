"""Tables and pictures, written whole or not at all."""

import csv
import re

from keras_vit import backend
from keras_vit.files import replacing

# Okabe and Ito 2008, "Color Universal Design": told apart by the colour-blind too
BLACK, ORANGE, SKY, GREEN = "#000000", "#E69F00", "#56B4E9", "#009E73"
BLUE, VERMILION, PURPLE = "#0072B2", "#D55E00", "#CC79A7"
PALETTE = (BLUE, VERMILION, GREEN, PURPLE, ORANGE, SKY)


def write_csv(path, header, rows):
    """Writes a table to `path`, numbers with all their digits."""
    with replacing(path) as partial, partial.open("w", newline="", encoding="utf-8") as file:
        lines = csv.writer(file)
        lines.writerow(header)
        lines.writerows([[repr(float(v)) if hasattr(v, "dtype") else v for v in row] for row in rows])


def new_figure(rows, columns, size, **options):
    """Returns a figure of `size` inches and its axes (rows, columns)."""
    figure = backend.load("matplotlib.figure").Figure(figsize=size, layout="constrained")
    return figure, figure.subplots(rows, columns, squeeze=False, **options)


def label_blocks(axis, names):
    """Labels the places 0, 1, … along the x axis by the numbers of blocks, "stage_1_block_0" as 1.0."""
    numbers = ["class " * name.startswith("class") + ".".join(re.findall(r"\d+", name)) for name in names]
    rotation = 90 if max(map(len, numbers)) > 2 else 0
    axis.set_xticks(range(len(numbers)), numbers, fontsize=8, rotation=rotation)
    axis.set_xlabel("stage.block" if any("stage" in name for name in names) else "block")


def write_figure(path, figure, dpi=120):
    """Writes a figure as PNG to `path`."""
    with replacing(path) as partial:
        figure.savefig(partial, dpi=dpi, format="png")
