"""Draws how a training went."""

import os
from collections.abc import Mapping, Sequence

from keras_vit import backend
from keras_vit.pictures.figure import BLUE, GREEN, VERMILION, new_figure, wrapped, write_figure

# the line styles differ too
TRAINING = {"color": BLUE, "linestyle": "--", "label": "training"}
VALIDATION = {"color": VERMILION, "linestyle": "-", "label": "validation"}


def curves_picture(
    path: str | os.PathLike,
    rows: Sequence[Mapping[str, float]],
    title: str,
    number: str = "accuracy",
    best: Mapping[str, float] | None = None,
    percent: bool = True,
) -> None:
    """Writes a PNG to `path`: loss, `number` and learning rate over the epochs of `rows`; `best`, a row, is marked.

    Each row has "epoch", "learning_rate", and both numbers for training and, as "val_...", for validation.
    """
    names = list(dict.fromkeys(("loss", number)))
    width = 4.0 * (len(names) + 1)
    figure, (panels,) = new_figure(1, len(names) + 1, (width, 3.8))
    epochs = [row["epoch"] for row in rows]
    marker = "o" if len(rows) == 1 else None  # a line needs two points
    for axis, name in zip(panels, names, strict=False):
        axis.plot(epochs, [row[name] for row in rows], marker=marker, **TRAINING)
        axis.plot(epochs, [row[f"val_{name}"] for row in rows], marker=marker, **VALIDATION)
        axis.set(ylabel=name)
    panels[-1].plot(epochs, [row["learning_rate"] for row in rows], color=GREEN, marker=marker)
    panels[-1].set(ylabel="learning rate at the end of the epoch")
    chosen = panels[len(names) - 1]
    if best is not None:
        value = best[f"val_{number}"]
        label = f"best: epoch {best['epoch']}, {value:.2%}" if percent else f"best: epoch {best['epoch']}, {value:.4g}"
        chosen.plot(best["epoch"], value, "o", color="black", mfc="none", ms=9, label=label)
    if percent:
        chosen.yaxis.set_major_formatter(backend.load("matplotlib.ticker").PercentFormatter(1.0))
    for axis in panels:
        axis.set(xlabel="epoch")
        axis.xaxis.get_major_locator().set_params(integer=True)
        axis.grid(alpha=0.3)
        axis.spines[["top", "right"]].set_visible(False)
    for axis in panels[:-1]:
        axis.legend(frameon=False)
    figure.suptitle(wrapped(title, width))
    write_figure(path, figure)
