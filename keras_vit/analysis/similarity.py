"""The similarity of the layers of two networks, as a table and a picture."""

import csv
import dataclasses
import os
from pathlib import Path

import numpy as np

from keras_vit import backend


@dataclasses.dataclass(frozen=True)
class Similarity:
    """CKA of each layer `rows` of one model with each layer `columns` of another, (rows, columns)."""

    rows: tuple[str, ...]
    columns: tuple[str, ...]
    values: np.ndarray
    models: tuple[str, str]

    def save_csv(self, path):
        """Writes one line for each pair of layers: row, column, cka."""
        path = Path(path)
        part = path.with_name(path.name + ".part")
        with part.open("w", newline="", encoding="utf-8") as file:
            lines = csv.writer(file)
            lines.writerow((f"layer of {self.models[0]}", f"layer of {self.models[1]}", "cka"))
            for (i, j), value in np.ndenumerate(self.values):
                lines.writerow((self.rows[i], self.columns[j], repr(float(value))))
        os.replace(part, path)


def similarity_picture(path, trained, control):
    """Writes a PNG to `path`: the heat map of `trained`, and beside it the one of untrained networks as a control."""
    matplotlib = backend.load("matplotlib")
    matplotlib.use("Agg")
    pyplot = backend.load("matplotlib.pyplot")
    if trained.values.shape != control.values.shape:
        raise ValueError(f"the control compares {control.values.shape} layers, not {trained.values.shape}")
    width, height = (max(2.4, 0.16 * count) for count in trained.values.shape[::-1])
    size = (2 * width + 3.4, height + 1.7)
    figure, axes = pyplot.subplots(1, 2, figsize=size, sharey=True, layout="constrained")
    for axis, each, title in zip(axes, (trained, control), ("trained", "untrained (control)"), strict=True):
        shown = axis.imshow(np.clip(each.values, 0, 1), cmap="magma", vmin=0, vmax=1, origin="lower")
        axis.set_title(title, fontsize=10)
        axis.set_xlabel(f"layer of {each.models[1]}", fontsize=9)
        for along, names in ((axis.xaxis, each.columns), (axis.yaxis, each.rows)):
            step = -(-len(names) // 40)  # more labels than that can't be read
            along.set_ticks(range(0, len(names), step), names[::step], fontsize=7)
        axis.tick_params(axis="x", rotation=90)
    axes[0].set_ylabel(f"layer of {trained.models[0]}", fontsize=9)
    bar = figure.colorbar(shown, ax=axes, shrink=0.9)
    bar.set_label("CKA", fontsize=9)
    bar.ax.tick_params(labelsize=8)
    figure.savefig(path, dpi=130, format="png")
    pyplot.close(figure)
