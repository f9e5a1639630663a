"""Draws a search: a line a trial, through what it tried to what that came to."""

import math

from keras_vit.backend import load
from keras_vit.pictures.figure import VERMILION, new_figure, write_figure

FAILED = {"color": VERMILION, "linewidth": 1.5, "linestyle": ":"}
ACCURACIES = (0.25, 0.5, 0.75, 0.9, 0.95, 0.975, 0.99, 0.995)  # that may be written on the last axis


def parallel_picture(path, rows, axes, title):
    """Writes a PNG to `path`: parallel coordinates, an upright axis for each of `axes`, the last for the accuracy.

    `rows` are the trials from the best to the worst. Lines are coloured by validation accuracy; the best is thick, the
    default options dashed, failed trials dotted.
    """
    figure, ((plot,),) = new_figure(1, 1, (2.2 + 1.35 * len(axes), 5.2))
    accuracies = [row.val_accuracy for row in rows if row.failure is None]
    low, high = min(accuracies), max(accuracies)
    for i, row in reversed(list(enumerate(rows))):  # the best on top
        aside = 0.05 * (0.5 - i / len(rows))  # else those of one choice would hide each other
        heights = [_height(axis, row.values[axis.name], aside) for axis in axes]
        if row.failure is not None:
            plot.plot(range(len(axes)), heights, **FAILED)
            continue
        heights.append(_merit(row.val_accuracy, low, high))
        plot.plot(range(len(heights)), heights, **_style(row, row is rows[0], low, high))
    for i, axis in enumerate(axes):
        _label(plot, i, _ticks(axis))
    ticks = [each for each in ACCURACIES if low < each < high and 0.06 < _merit(each, low, high) < 0.94]
    _label(plot, len(axes), [(_merit(each, low, high), f"{each:.1%}") for each in {low, *ticks, high}])
    names = [axis.name.replace("_", "\n") for axis in axes]
    plot.set_xticks(range(len(axes) + 1), [*names, "validation\naccuracy"], fontsize=10)
    plot.set(xlim=(-0.15, len(axes) + 0.55), ylim=(-0.05, 1.05), yticks=[], title=title)
    plot.tick_params(axis="x", length=0, pad=8)
    plot.spines[:].set_visible(False)
    _legend(figure, rows, low, high)
    write_figure(path, figure)


def _style(row, best, low, high):
    colour = load("matplotlib").colormaps["viridis"](0.93 * _merit(row.val_accuracy, low, high))
    return {"color": colour, "linewidth": 3.5 if best else 1.3, "linestyle": "-" if row.number else "--"}


def _label(plot, place, ticks):
    plot.axvline(place, color="0.35", linewidth=1, zorder=0)
    box = {"facecolor": "white", "alpha": 0.75, "edgecolor": "none", "pad": 0.8}
    for height, text in ticks:
        plot.plot([place, place + 0.03], [height, height], color="0.35", linewidth=1)
        plot.text(place + 0.05, height, text, fontsize=8, va="center", bbox=box, zorder=5)


def _legend(figure, rows, low, high):
    line = load("matplotlib.lines").Line2D
    handles = [line([], [], label=f"best, trial {rows[0].number}", **_style(rows[0], True, low, high))]
    default = next(row for row in rows if not row.number)
    if default.failure is None and default is not rows[0]:
        handles.append(line([], [], label="default options, trial 0", **_style(default, False, low, high)))
    if any(row.failure is not None for row in rows):
        handles.append(line([], [], label="failed", **FAILED))
    figure.legend(handles=handles, loc="outside lower center", ncols=3, frameon=False)


def _ticks(axis):
    """Returns (height, text) of what is written on an axis."""
    if axis.choices is not None:
        return [(_height(axis, label), label) for label in axis.choices]
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


def _merit(accuracy, low, high):
    """Returns where an accuracy stands from 0 for `low` to 1 for `high`, by the logarithm of the errors.

    What matters is at the top, and a trial that learned nothing would else press all others together there.
    """
    return _share(*(-math.log(1.002 - each) for each in (accuracy, low, high)))


def _share(value, low, high):
    return (value - low) / (high - low) if high > low else 0.5
