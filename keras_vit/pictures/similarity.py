"""Pictures of how alike the layers of two models see: a heat map, and lines with error bars."""

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from keras_vit.pictures.figure import PALETTE, new_figure, write_figure

if TYPE_CHECKING:
    from keras_vit.analysis.similarity import Similarity


def similarity_picture(path: str | os.PathLike, found: "Similarity", control: "Similarity | None" = None) -> None:
    """Writes a PNG to `path`: the heat map of `found`, and beside it that of the untrained networks, a `control`.

    Raises ValueError for a control of other layers.
    """
    panels = _panels(found, control)
    width, height = (max(2.4, 0.16 * count) for count in found.values.shape[::-1])
    longest = max(map(len, found.columns))
    size = (len(panels) * width + 3.4, height + 1.2 + 0.075 * longest)
    figure, (axes,) = new_figure(1, len(panels), size, sharey=True)
    for axis, (each, title) in zip(axes, panels, strict=True):
        shown = axis.imshow(np.clip(each.values, 0, 1), cmap="magma", vmin=0, vmax=1, origin="lower")
        axis.set_title(title, fontsize=10)
        axis.set_xlabel(f"layer of {each.models[1]}", fontsize=9)
        _label(axis.xaxis, each.columns)
        _label(axis.yaxis, each.rows)
        axis.tick_params(axis="x", rotation=90)
    axes[0].set_ylabel(f"layer of {found.models[0]}", fontsize=9)
    bar = figure.colorbar(shown, ax=axes, shrink=0.9)
    bar.set_label("CKA", fontsize=9)
    bar.ax.tick_params(labelsize=8)
    write_figure(path, figure, dpi=130)


def similarity_lines(
    path: str | os.PathLike,
    found: "Similarity",
    control: "Similarity | None" = None,
    columns: Sequence[str] | None = None,
) -> None:
    """Writes a PNG to `path`: CKA of every layer of the first model with some layers of the second, with error bars.

    `columns` names these, by default the first, the middle and the last. The bars are the standard deviation over
    the repeats of `cka`; the untrained networks, a `control`, are dashed.
    """
    panels = _panels(found, control)
    known = found.columns
    columns = list(dict.fromkeys((known[0], known[len(known) // 2], known[-1]))) if columns is None else list(columns)
    for name in columns:
        if name not in known:
            raise ValueError(f"{found.models[1]} was compared by its layers {', '.join(known)}, not {name!r}")
    figure, ((axis,),) = new_figure(1, 1, (max(5.0, 0.22 * len(found.rows) + 1.5), 3.6))
    for color, name in zip(PALETTE * len(columns), columns, strict=False):
        for (each, _), style, note in zip(panels, ("-", "--"), ("", ", untrained"), strict=False):
            j = each.columns.index(name)
            bars = None if each.deviations is None else each.deviations[:, j]
            options = {
                "color": color,
                "ls": style,
                "marker": "o",
                "ms": 2.5,
                "lw": 1.2,
                "capsize": 2,
                "elinewidth": 0.8,
            }
            axis.errorbar(range(len(each.rows)), each.values[:, j], bars, label=f"with {name}{note}", **options)
    _label(axis.xaxis, found.rows)
    axis.tick_params(axis="x", rotation=90)
    axis.set_xlabel(f"layer of {found.models[0]}", fontsize=9)
    axis.set_ylabel(f"CKA with a layer of {found.models[1]}", fontsize=9)
    axis.set_ylim(min(0, *(float(np.min(each.values)) for each, _ in panels)) - 0.02, 1.05)
    axis.grid(axis="y", alpha=0.3)
    axis.spines[["top", "right"]].set_visible(False)
    repeated = [each.repeats for each, _ in panels if each.deviations is not None]
    title = f"bars: standard deviation\nof {repeated[0]} repeats" if repeated else None
    axis.legend(frameon=False, fontsize=7, loc="upper left", bbox_to_anchor=(1, 1), title=title, title_fontsize=7)
    write_figure(path, figure, dpi=130)


def _panels(found, control):
    """Returns (Similarity, title) of what is drawn."""
    if control is None:
        return [(found, "")]
    if found.values.shape != control.values.shape:
        raise ValueError(f"the control compares {control.values.shape} layers, not {found.values.shape}")
    return [(found, "trained"), (control, "untrained (control)")]


def _label(along, names):
    step = -(-len(names) // 40)  # more labels than that can't be read
    along.set_ticks(range(0, len(names), step), names[::step], fontsize=7)
