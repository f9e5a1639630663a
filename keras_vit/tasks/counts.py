"""The table of how many images of each class a training has, printed before it begins."""

from collections.abc import Mapping, Sequence

import numpy as np
from rich.table import Table
from rich.text import Text

from keras_vit.pictures.figure import shortened

ROWS = 12  # classes that have a row each; of more there is a summary
NAMES = 8  # of classes without an image that are named
_LENGTH = 24  # characters of a label


def counts_table(labels: Sequence[str], counts: Mapping[str, np.ndarray] | None, sizes: Mapping[str, int]) -> Table:
    """Returns the table of the images of each class in each split, with one row a class or, of many, a summary.

    `counts` maps splits to images of each class, None where they aren't known, and `sizes` to all images. A split in
    which a class has none is marked.
    """
    table = Table("images", *sizes)
    for column in table.columns[1:]:
        column.justify = "right"
    if counts is not None:
        rows = _each(labels, counts) if len(labels) <= ROWS else _summary(labels, counts)
        for name, cells in rows:
            table.add_row(Text(name), *cells)  # brackets of a name are no markup
        table.add_section()
    table.add_row("all", *(f"{size:,}" for size in sizes.values()))
    return table


def absent(labels: Sequence[str], counts: Mapping[str, np.ndarray]) -> list[str]:
    """Returns a sentence for each split in which classes have no image."""
    found = []
    for split, images in counts.items():
        if names := [repr(labels[i]) for i in np.flatnonzero(images == 0).tolist()]:
            more = f" and {len(names) - NAMES} more" if len(names) > NAMES else ""
            found.append(f"{split} has no image of {', '.join(names[:NAMES])}{more}")
    return found


def _each(labels, counts):
    for i, label in enumerate(labels):
        yield shortened(label, _LENGTH), [_cell(images[i]) for images in counts.values()]


def _summary(labels, counts):
    order = {split: np.argsort(images, kind="stable") for split, images in counts.items()}
    places = {"smallest class": 0, "median class": len(labels) // 2, "largest class": -1}
    for name, place in places.items():
        yield name, [_cell(images[order[split][place]]) for split, images in counts.items()]
    none = {split: int((images == 0).sum()) for split, images in counts.items()}
    yield "classes with none", [Text(str(each), "bold red" if each else "") for each in none.values()]


def _cell(images):
    return Text(f"{images:,}", "" if images else "bold red")
