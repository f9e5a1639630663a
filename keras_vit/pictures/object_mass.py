"""Pictures of how much of a model's attention lies on the object."""

import os
from collections.abc import Mapping, Sequence

import numpy as np

from keras_vit import backend
from keras_vit.pictures.figure import BLUE, ORANGE, new_figure, write_figure

UNTRAINED = {"color": ORANGE, "marker": "o", "facecolors": "none", "linewidths": 1.6, "s": 44}
TRAINED = {"color": BLUE, "marker": "o", "s": 44}
ELSEWHERE = {"color": "#555555", "marker": "x", "linewidths": 1.2, "s": 30}


def mass_picture(
    path: str | os.PathLike,
    untrained: Mapping[str, Sequence[float]],
    trained: Mapping[str, Sequence[float]],
    elsewhere: Mapping[str, Sequence[float]],
    area: float,
    title: str,
) -> None:
    """Writes a PNG to `path`: for each kind of map its share on the object before and after training.

    `untrained`, `trained` and `elsewhere`, what of the trained one's lies on the object of another image, map names to
    one share for each seed. `area` is the share of the image that the object covers: the reference line.
    """
    percent = backend.load("matplotlib.ticker").PercentFormatter(1.0, decimals=0)
    figure, ((axes,),) = new_figure(1, 1, (8, 1.6 + 0.42 * len(trained)))
    kinds: tuple[tuple, ...] = (
        (elsewhere, ELSEWHERE, "trained, on the object of another image"),
        (untrained, UNTRAINED, "untrained"),
    )
    kinds = (*kinds, (trained, TRAINED, "trained"))
    for row, name in enumerate(trained):
        ends = [np.mean(untrained[name]), np.mean(trained[name])]
        axes.plot(ends, [row, row], color="#BBBBBB", linewidth=2, zorder=1)
        for values, style, label in kinds:
            axes.scatter(values[name], [row] * len(values[name]), zorder=3, label=None if row else label, **style)
    axes.axvline(area, color="black", linestyle="--", linewidth=1.2, label=f"area of the object: {area:.1%}")
    axes.set_yticks(range(len(trained)), trained)
    axes.invert_yaxis()
    axes.set(xlim=(0, None), xlabel="share of the map's mass on the object (a point a seed)", title=title)
    axes.xaxis.set_major_formatter(percent)
    axes.grid(axis="x", alpha=0.3)
    axes.spines[["top", "right"]].set_visible(False)
    figure.legend(loc="outside lower center", ncols=2, frameon=False, fontsize=9)
    write_figure(path, figure)


def mask_picture(
    path: str | os.PathLike,
    images: np.ndarray | Sequence[np.ndarray],
    masks: np.ndarray | Sequence[np.ndarray],
    untrained: np.ndarray | Sequence[np.ndarray],
    trained: np.ndarray | Sequence[np.ndarray],
    shares: Sequence[Sequence[float]],
    title: str,
) -> None:
    """Writes a PNG to `path` of four rows: images (H, W) or (H, W, 3), masks (H, W), and both maps (h, w) of each.

    `shares` holds for each image the share of either map on the object. The object is outlined on the maps, whose
    colours count, on a scale of square roots, how often a cell has what it would have of an even map.
    """
    figure, axes = new_figure(4, len(images), (1.25 * len(images) + 1.3, 6.0))
    maps = [[each / each.mean() for each in kind] for kind in (untrained, trained)]
    scale = backend.load("matplotlib.colors").PowerNorm(
        0.5, 0, max(float(each.max()) for kind in maps for each in kind)
    )
    for column, (image, mask) in enumerate(zip(images, masks, strict=True)):
        height, width = mask.shape
        extent = (-0.5, width - 0.5, height - 0.5, -0.5)
        axes[0, column].imshow(np.squeeze(image), cmap="gray", extent=extent)
        axes[1, column].imshow(mask, cmap="gray", vmin=0, vmax=1)
        for row, kind in enumerate(maps):
            axis = axes[2 + row, column]
            shown = axis.imshow(kind[column], cmap="viridis", extent=extent, norm=scale)
            axis.contour(mask, levels=[0.5], colors="white", linewidths=1.0)
            axis.set_title(f"{shares[column][row]:.0%} on it", fontsize=9)
    for axis in axes.flat:
        axis.set(xticks=[], yticks=[])
    for axis, name in zip(axes[:, 0], ("image", "mask", "untrained", "trained"), strict=True):
        axis.set_ylabel(name)
    bar = figure.colorbar(shown, ax=axes[2:, :], shrink=0.9, pad=0.01)
    bar.set_label("× even share", fontsize=9)
    bar.ax.tick_params(labelsize=8)
    figure.suptitle(title, fontsize=11)
    write_figure(path, figure, dpi=110)
