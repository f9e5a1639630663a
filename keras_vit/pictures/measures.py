"""Curves of what analysis measures: over the blocks of a model, over its depth, over confidence."""

import os
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from keras_vit.pictures.figure import BLUE, PALETTE, VERMILION, new_figure, write_figure

if TYPE_CHECKING:
    from keras_vit.analysis.calibration import Calibration
    from keras_vit.analysis.skip import SkipRatio


def distance_picture(
    path: str | os.PathLike, distances: Mapping[str, np.ndarray], uniform: Mapping[str, float], title: str = ""
) -> None:
    """Writes a PNG to `path`: block by block its heads, sorted by distance, and a line where uniform attention is.

    `distances` and `uniform` are what `attention_distance` and `uniform_attention_distance` gave.
    """
    figure, ((axis,),) = new_figure(1, 1, (max(4.0, 0.45 * len(distances) + 1.2), 3.4))
    for i, (name, found) in enumerate(distances.items()):
        places = i + (np.arange(len(found)) + 0.5) / len(found) * 0.8 - 0.4
        first = i == 0
        axis.plot(places, np.sort(found), "o-", ms=3, lw=0.8, color=BLUE, label="a head" if first else None)
        line = {"color": VERMILION, "lw": 1.5, "ls": "--", "label": "uniform attention" if first else None}
        axis.plot([i - 0.45, i + 0.45], [uniform[name]] * 2, **line)
    _label_blocks(axis, distances)
    axis.set_xlabel(f"{axis.get_xlabel()}, its heads sorted")
    top = max(*uniform.values(), *(each.max() for each in distances.values()))
    axis.set(ylabel="mean attention distance (px)", ylim=(0, 1.05 * top), title=title)
    axis.grid(axis="y", alpha=0.3)
    axis.spines[["top", "right"]].set_visible(False)
    axis.legend(frameon=False, fontsize=8, loc="lower right")
    write_figure(path, figure)


def skip_picture(path: str | os.PathLike, ratios: "Mapping[str, Mapping[str, SkipRatio]]", title: str = "") -> None:
    """Writes a PNG to `path`: the ratio of each branch over the blocks, of the class token and of the cells.

    Of the cells the median is drawn, with a band that holds four fifths of them.
    """
    figure, ((axis,),) = new_figure(1, 1, (max(4.8, 0.3 * len(ratios) + 1.6), 3.4))
    branches = list(dict.fromkeys(branch for each in ratios.values() for branch in each))
    for color, branch in zip(PALETTE, branches, strict=False):
        having = [(i, each[branch]) for i, each in enumerate(ratios.values()) if branch in each]
        cells = [(i, each.cells) for i, each in having if np.isfinite(each.cells).any()]
        if cells:
            places, low, middle, high = zip(
                *((i, *np.quantile(each, (0.1, 0.5, 0.9))) for i, each in cells), strict=True
            )
            axis.fill_between(places, low, high, color=color, alpha=0.2, lw=0)
            axis.plot(places, middle, "o-", ms=3, color=color, label=f"{branch}, cells")
        tokens = [(i, each.prefix[0]) for i, each in having if len(each.prefix)]
        if tokens:
            axis.plot(*zip(*tokens, strict=True), "s--", ms=3, color=color, mfc="white", label=f"{branch}, class token")
    _label_blocks(axis, ratios)
    axis.set(ylabel="‖skip‖ / ‖branch‖", yscale="log", title=title)
    for which in (axis.yaxis.set_major_formatter, axis.yaxis.set_minor_formatter):
        which(lambda value, _: f"{value:g}" if f"{value:.0e}"[0] in "1235" else "")
    axis.axhline(1, color="black", lw=0.8, alpha=0.5)
    axis.grid(axis="y", alpha=0.3)
    axis.spines[["top", "right"]].set_visible(False)
    axis.legend(frameon=False, fontsize=8)
    write_figure(path, figure)


def probe_picture(path: str | os.PathLike, probes: Mapping[str, Mapping[str, float]], title: str = "") -> None:
    """Writes a PNG to `path`: the accuracy over the depth of the network, for each of {model: what `probe` gave}.

    One model's layers are named, those of several lie at their share of the depth.
    """
    figure, ((axis,),) = new_figure(1, 1, (max(4.8, 0.28 * max(map(len, probes.values())) + 1.5), 3.4))
    markers = "osD^vP"
    for i, (model, found) in enumerate(probes.items()):
        places = np.linspace(0, 1, len(found)) if len(probes) > 1 else range(len(found))
        style = {"color": PALETTE[i % len(PALETTE)], "marker": markers[i % len(markers)], "ms": 4}
        axis.plot(places, 100 * np.array(list(found.values())), label=model, **style)
    if len(probes) == 1:
        axis.set_xticks(range(len(found)), found, fontsize=8, rotation=90)
        axis.set_xlabel("layer")
    else:
        axis.set_xlabel("depth of the layer, as a share of the network")
        axis.legend(frameon=False, fontsize=8)
    axis.set(ylabel="accuracy of a linear probe (%)", title=title)
    axis.grid(axis="y", alpha=0.3)
    axis.spines[["top", "right"]].set_visible(False)
    write_figure(path, figure)


def reliability_picture(path: str | os.PathLike, found: "Mapping[str, Calibration]", least: int = 10) -> None:
    """Writes a PNG to `path`: accuracy over confidence for each of {classifier: Calibration}, one panel each.

    A point is a bin of `least` images or more, its area their number; below the diagonal a classifier is too sure.
    """
    columns = min(len(found), 3)
    rows = -(-len(found) // columns)
    figure, axes = new_figure(rows, columns, (2.5 * columns + 0.4, 2.7 * rows + 0.5), sharex=True, sharey=True)
    for axis in axes.flat[len(found) :]:
        axis.set_axis_off()
    for axis in axes.flat[len(found) - columns : len(found)]:  # nothing may lie below them
        axis.tick_params(labelbottom=True)
    for axis, (name, each) in zip(axes.flat, found.items(), strict=False):
        drawn = each.counts >= least
        axis.plot([0, 1], [0, 1], "--", color="0.6", lw=1)
        axis.plot(each.confidences[drawn], each.accuracies[drawn], "-", color=PALETTE[0], lw=1)
        area = 150 * each.counts[drawn] / each.counts.max()
        axis.scatter(
            each.confidences[drawn], each.accuracies[drawn], area, color=PALETTE[0], alpha=0.7, lw=0, clip_on=False
        )
        axis.set_title(f"{name}: error {each.error:.1%}", fontsize=10)
        axis.set(xlim=(0, 1), ylim=(0, 1), aspect="equal")
        axis.grid(alpha=0.3)
    figure.supxlabel("confidence: probability of the class it names", fontsize=10)
    figure.supylabel("accuracy", fontsize=10)
    write_figure(path, figure)


def _label_blocks(axis, names):
    """Labels the places 0, 1, … along the x axis by the numbers of blocks, "stage_1_block_0" as 1.0."""
    numbers = ["class " * name.startswith("class") + ".".join(re.findall(r"\d+", name)) for name in names]
    rotation = 90 if max(map(len, numbers)) > 2 else 0
    axis.set_xticks(range(len(numbers)), numbers, fontsize=8, rotation=rotation)
    axis.set_xlabel("stage.block" if any("stage" in name for name in names) else "block")
