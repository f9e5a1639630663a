"""Charts that compare networks: each network keeps its colour and its marker in all of them."""

import dataclasses
import os
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np

from keras_vit import backend
from keras_vit.pictures.figure import BLACK, PALETTE, new_figure, write_figure

_MARKERS = "osD^vP"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Panel:
    """One pair of axes: `lines` {network: [(x, values measured there)]}, drawn through the means."""

    lines: dict
    xlabel: str
    title: str = ""
    log: bool = False  # of the x axis
    ticks: tuple = ()  # of the x axis, all there are by default where they are few
    dotted: bool = True  # a marker at each x
    chance: float | None = None  # what guessing gives


def styles(names: Collection[str]) -> dict[str, dict[str, str]]:
    """Returns {name: {"color", "marker"}} of each of `names`."""
    colors = (*PALETTE, BLACK, "#999999")
    return {
        name: {"color": colors[i % len(colors)], "marker": _MARKERS[i % len(_MARKERS)]} for i, name in enumerate(names)
    }


def lines_picture(path: str | os.PathLike, panels: Sequence[Panel], ylabel: str, percent: bool = True) -> None:
    """Writes a PNG to `path`: the panels side by side; a bar spans the least to the most where there are several."""
    figure, (axes,) = new_figure(1, len(panels), (3.1 * len(panels) + (2.4 if len(panels) == 1 else 0.4), 3.8))
    style = styles(panels[0].lines)
    for axis, panel in zip(axes, panels, strict=True):
        for name, points in panel.lines.items():
            _line(axis, points, name, style[name], panel.dotted)
        if panel.chance is not None:
            axis.axhline(panel.chance, color="0.5", lw=1, ls=":")
            axis.annotate("guessing", (0.02, panel.chance), xycoords=("axes fraction", "data"), fontsize=8, va="bottom")
        axis.set(xlabel=panel.xlabel, title=panel.title)
        if panel.log:
            axis.set_xscale("log")
            axis.minorticks_off()
        if panel.ticks:
            axis.set_xticks(panel.ticks, [f"{each:,g}" for each in panel.ticks])
        _plain(axis, "y", percent)
    axes[0].set_ylabel(ylabel)
    handles, names = axes[0].get_legend_handles_labels()
    figure.legend(handles, names, loc="outside upper center", ncols=min(len(names), 6), frameon=False, fontsize=9)
    write_figure(path, figure)


def dots_picture(
    path: str | os.PathLike, values: Mapping[str, Sequence[float]], xlabel: str, percent: bool = True
) -> None:
    """Writes a PNG to `path`: for each of {network: values} a row, a dot for each value, a stroke at their mean."""
    figure, ((axis,),) = new_figure(1, 1, (6.4, 0.45 * len(values) + 0.9))
    style = styles(values)
    for row, (name, found) in enumerate(values.items()):
        axis.plot(found, [row] * len(found), style[name]["marker"], color=style[name]["color"], ms=7, alpha=0.75)
        mean = float(np.mean(found))
        axis.plot([mean, mean], [row - 0.3, row + 0.3], color=style[name]["color"], lw=2)
        text = f"{mean:.1%}" if percent else f"{mean:.3g}"
        axis.annotate(text, (1.01, row), xycoords=("axes fraction", "data"), fontsize=10, va="center")
    axis.set_yticks(range(len(values)), list(values))
    axis.set(xlabel=xlabel, ylim=(len(values) - 0.5, -0.5))
    _plain(axis, "x", percent)
    write_figure(path, figure)


def bars_picture(path: str | os.PathLike, panels: Mapping[str, Mapping[str, float]]) -> None:
    """Writes a PNG to `path`: for each of {label of an axis: {network: number}} a panel of bars."""
    names = list(next(iter(panels.values())))
    figure, (axes,) = new_figure(1, len(panels), (3.6 * len(panels) + 0.6, 0.42 * len(names) + 0.9), sharey=True)
    style = styles(names)
    for axis, (label, values) in zip(axes, panels.items(), strict=True):
        bars = axis.barh(names, list(values.values()), color=[style[name]["color"] for name in names], height=0.65)
        axis.bar_label(bars, [f"{each:,.3g}" for each in values.values()], padding=3, fontsize=9)
        axis.set(xlabel=label, xlim=(0, 1.2 * max(values.values())))
        _plain(axis, "x", percent=False)
    axes[0].invert_yaxis()
    write_figure(path, figure)


def gallery_picture(
    path: str | os.PathLike,
    rows: Sequence[tuple[str, Any, Any]],
    titles: Sequence[str] = (),
    header: str = "",
    side: float = 1.15,
) -> None:
    """Writes a PNG to `path`: rows (label, images, maps) of images (H, W, C) of 0 to 1, with `titles` above.

    Over each image lies its map (h, w) if there are any, each on a scale of its own from its least to its most.
    `header` says what all `titles` are, `side` is that of an image in inches of 85 px.
    """
    columns = max(len(images) for _, images, _ in rows)
    figure, axes = new_figure(len(rows), columns, (side * columns + 1.1, 1.05 * side * len(rows) + 0.3))
    if header:
        figure.suptitle(header, fontsize=9)
    for axis in axes.flat:
        axis.set(xticks=[], yticks=[])
        axis.spines[:].set_visible(False)
    for line, (label, images, maps) in zip(axes, rows, strict=True):
        line[0].set_ylabel(label, rotation=0, ha="right", va="center", fontsize=9)
        for i, image in enumerate(images):
            height, width = image.shape[:2]
            line[i].imshow(np.squeeze(image), cmap="gray", vmin=0, vmax=1)
            if maps is not None:
                extent = (-0.5, width - 0.5, height - 0.5, -0.5)
                line[i].imshow(maps[i], cmap="viridis", alpha=0.7, extent=extent, interpolation="nearest")
    for axis, title in zip(axes[0], titles, strict=False):
        axis.set_title(title, fontsize=9)
    write_figure(path, figure, dpi=85)  # what a screen shows of small images; more would be file size


def _line(axis, points, name, style, dotted):
    x = [each for each, _ in points]
    means = np.array([np.mean(values) for _, values in points])
    least, most = (np.array([reach(values) for _, values in points]) for reach in (np.min, np.max))
    options = {"color": style["color"], "lw": 1.5, "label": name}
    if dotted:
        options |= {"marker": style["marker"], "ms": 5}
    if (most > least).any():
        axis.errorbar(x, means, [means - least, most - means], capsize=3, **options)
    else:
        axis.plot(x, means, **options)


def _plain(axis, along, percent):
    axis.grid(axis=along, alpha=0.3)
    axis.spines[["top", "right"]].set_visible(False)
    if percent:
        formatter = backend.load("matplotlib.ticker").PercentFormatter(1.0, decimals=0)
        (axis.yaxis if along == "y" else axis.xaxis).set_major_formatter(formatter)
