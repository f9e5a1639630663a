"""Maps of what analysis measures of the cells of a layer."""

import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from keras_vit.pictures.figure import VERMILION, new_figure, write_figure

if TYPE_CHECKING:
    from keras_vit.analysis.localise import Localisation


def field_picture(path: str | os.PathLike, fields: Mapping[str, np.ndarray], shares: Mapping[str, float]) -> None:
    """Writes a PNG to `path`: the field of each layer, relative to its largest value, on a scale of square roots.

    `shares` are the `field_share` of each, which stands above it.
    """
    rows = -(-len(fields) // 6)
    columns = -(-len(fields) // rows)
    figure, axes = new_figure(rows, columns, (1.7 * columns + 1.1, 2.2 * rows))
    for axis in axes.flat:
        axis.set_axis_off()
    for axis, (name, field) in zip(axes.flat, fields.items(), strict=False):
        shown = axis.imshow(np.sqrt(field / field.max()), cmap="viridis", vmin=0, vmax=1)
        axis.set_title(f"{name}\nhalf in {shares[name]:.1%} of pixels", fontsize=8)
    bar = figure.colorbar(shown, ax=axes, shrink=0.8, pad=0.02, ticks=np.sqrt([0, 0.1, 0.25, 0.5, 1]))
    bar.ax.set_yticklabels(["0", "0.1", "0.25", "0.5", "1"], fontsize=8)
    bar.set_label("|gradient| / largest", fontsize=8)
    write_figure(path, figure)


def localisation_picture(
    path: str | os.PathLike, found: "Localisation", cells: Sequence[tuple[int, int]] | None = None
) -> None:
    """Writes a PNG to `path`: for some tokens of a Localisation their CKA with each patch, their own place marked.

    `cells` are places (row, column) of the layer's map, by default one in each corner and the centre; the class token,
    where there is one, comes first. Patches that are alike in all images are grey.
    """
    height, width = found.cells.shape[:2]
    if cells is None:
        rows, columns = sorted({height // 8, height - 1 - height // 8}), sorted({width // 8, width - 1 - width // 8})
        cells = list(dict.fromkeys([(y, x) for y in rows for x in columns] + [(height // 2, width // 2)]))
    shown: list[tuple] = [("class token", None, found.prefix[0])] if len(found.prefix) else []
    shown += [(f"cell ({y}, {x})", (y, x), found.cells[y, x]) for y, x in cells]
    top = max(float(np.nanmax(each)) for _, _, each in shown)
    figure, axes = new_figure(1, len(shown), (1.6 * len(shown) + 0.9, 2.1))
    for axis, (title, place, values) in zip(axes[0], shown, strict=True):
        axis.set_facecolor("0.7")
        image = axis.imshow(values, cmap="viridis", vmin=0, vmax=top)
        axis.set_title(title, fontsize=9)
        axis.set(xticks=[], yticks=[])
        if place is not None:
            scale = np.divide(values.shape, (height, width))
            y, x = (np.array(place) + 0.5) * scale - 0.5
            axis.plot(x, y, "s", color=VERMILION, mfc="none", ms=9, mew=1.5)
    axes[0, 0].set_ylabel("patch of the image", fontsize=9)
    bar = figure.colorbar(image, ax=axes, shrink=0.9)
    bar.set_label(f"CKA with {found.layer}", fontsize=8)
    bar.ax.tick_params(labelsize=8)
    write_figure(path, figure)
