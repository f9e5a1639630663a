"""Draws a search: a line a trial, through what it tried to what that came to."""

import math
import os
from collections.abc import Sequence
from typing import TYPE_CHECKING

from keras_vit.backend import load
from keras_vit.pictures.figure import VERMILION, new_figure, wrapped, write_figure

if TYPE_CHECKING:
    from keras_vit.training.task import Monitor
    from keras_vit.tuning.leaderboard import Row
    from keras_vit.tuning.search_space import Axis

FAILED = {"color": VERMILION, "linewidth": 1.5, "linestyle": ":"}
STRETCH = 30  # how much closer to the best trial differences are drawn larger than close to the worst


def parallel_picture(
    path: str | os.PathLike, rows: "Sequence[Row]", axes: "Sequence[Axis]", monitor: "Monitor", title: str
) -> None:
    """Writes a PNG to `path`: parallel coordinates, an upright axis for each of `axes`, the last for the `monitor`.

    `rows` are the trials from the best to the worst. Better lines are lighter; the best is thick, the default options
    dashed, failed trials dotted.
    """
    width = 2.2 + 1.35 * len(axes)
    figure, ((plot,),) = new_figure(1, 1, (width, 5.2))
    ended = [row.best[monitor.name] for row in rows if row.best is not None]
    merits = [_merit(value, ended[0], ended[-1]) for value in ended]
    for i, row in reversed(list(enumerate(rows))):  # the best on top
        aside = 0.05 * (0.5 - i / len(rows))  # else those of one choice would hide each other
        heights = [_height(axis, row.values[axis.name], aside) for axis in axes]
        style = FAILED
        if row.best is not None:
            heights.append(merits[i])
            style = _style(row, not i, merits[i])
        plot.plot(range(len(heights)), heights, **style)
    for i, axis in enumerate(axes):
        _mark(plot, i, _ticks(axis))
    levels = {0, 1, *(each / 5 for each in range(1, 5))} if ended[0] != ended[-1] else {0.5}
    _mark(plot, len(axes), [(each, monitor.format(_value(each, ended[0], ended[-1]))) for each in levels])
    names = [name.replace("_", "\n") for name in (*(axis.name for axis in axes), monitor.name)]
    plot.set_xticks(range(len(axes) + 1), names, fontsize=10)
    plot.set(xlim=(-0.15, len(axes) + 0.55), ylim=(-0.05, 1.05), yticks=[], title=wrapped(title, width))
    plot.tick_params(axis="x", length=0, pad=8)
    plot.spines[:].set_visible(False)
    _legend(figure, rows, merits)
    write_figure(path, figure)


def _style(row, best, merit):
    colour = load("matplotlib").colormaps["viridis"](0.93 * merit)
    return {"color": colour, "linewidth": 3.5 if best else 1.3, "linestyle": "-" if row.number else "--"}


def _mark(plot, place, ticks):
    plot.axvline(place, color="0.35", linewidth=1, zorder=0)
    box = {"facecolor": "white", "alpha": 0.75, "edgecolor": "none", "pad": 0.8}
    for height, text in ticks:
        plot.plot([place, place + 0.03], [height, height], color="0.35", linewidth=1)
        plot.text(place + 0.05, height, text, fontsize=8, va="center", bbox=box, zorder=5)


def _legend(figure, rows, merits):
    line = load("matplotlib.lines").Line2D
    handles = [line([], [], label=f"best, trial {rows[0].number}", **_style(rows[0], True, merits[0]))]
    for row, merit in zip(rows[1:], merits[1:], strict=False):
        if not row.number:
            handles.append(line([], [], label="default options, trial 0", **_style(row, False, merit)))
    if len(merits) < len(rows):
        handles.append(line([], [], label="failed", **FAILED))
    figure.legend(handles=handles, loc="outside lower center", ncols=3, frameon=False)


def _ticks(axis):
    """Returns (height, text) of what is written on an axis."""
    if axis.choices is not None:
        return [(_height(axis, choice), choice) for choice in axis.choices]
    if not axis.log:
        values = [axis.low + (axis.high - axis.low) * part / 4 for part in range(5)]
    else:
        first, last = math.ceil(math.log10(axis.low) - 1e-9), math.floor(math.log10(axis.high) + 1e-9)
        values = sorted({axis.low, axis.high, *(10.0**power for power in range(first, last + 1))})
    return [(_height(axis, each), f"{each:.2g}") for each in values]


def _height(axis, value, aside=0.0):
    """Returns where on its axis a value stands, from 0 to 1, those of choices a little `aside`."""
    if axis.choices is not None:
        return _share(list(axis.choices).index(value), 0, len(axis.choices) - 1) + aside
    if axis.log:
        return _share(math.log(value), math.log(axis.low), math.log(axis.high))
    return _share(value, axis.low, axis.high)


def _merit(value, best, worst):
    """Returns where a number stands from 0 for `worst` to 1 for `best`, by the logarithm of its distance to the best.

    What matters is at the top, and a trial that learned nothing would else press all others together there.
    """
    return 1 - math.log1p(STRETCH * _share(value, best, worst)) / math.log1p(STRETCH) if best != worst else 0.5


def _value(merit, best, worst):
    """Returns the number whose merit is `merit`."""
    return best + (worst - best) * math.expm1((1 - merit) * math.log1p(STRETCH)) / STRETCH


def _share(value, low, high):
    return (value - low) / (high - low) if high != low else 0.5
