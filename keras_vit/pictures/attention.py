"""Pictures of what a model looks at."""

import os
from collections.abc import Sequence

import numpy as np

from keras_vit.pictures.figure import new_figure, write_figure


def attention_picture(
    path: str | os.PathLike,
    images: np.ndarray | Sequence[np.ndarray],
    maps: np.ndarray | Sequence[np.ndarray],
    titles: Sequence[str],
) -> None:
    """Writes a PNG to `path`: each image (H, W) or (H, W, 3), over it its map (h, w), and `titles` above."""
    count = len(images)
    figure, axes = new_figure(2, count, (1.5 * count + 1.1, 3.3))
    top = max(float(np.max(each)) * each.size for each in maps)
    for column, (image, seen, title) in enumerate(zip(images, maps, titles, strict=True)):
        image = np.squeeze(np.asarray(image))
        height, width = image.shape[:2]
        axes[0, column].imshow(image, cmap="gray")
        axes[0, column].set_title(title, fontsize=9)
        extent = (-0.5, width - 0.5, height - 0.5, -0.5)
        axes[1, column].imshow(image, cmap="gray")
        shown = axes[1, column].imshow(
            seen * seen.size, cmap="viridis", alpha=0.75, extent=extent, interpolation="bilinear", vmin=0, vmax=top
        )
    for axis in axes.flat:
        axis.set(xticks=[], yticks=[])
    axes[0, 0].set_ylabel("image")
    axes[1, 0].set_ylabel("attention")
    bar = figure.colorbar(shown, ax=axes[1, :], shrink=0.9, pad=0.01)
    bar.set_label("× even share", fontsize=8)
    bar.ax.tick_params(labelsize=8)
    write_figure(path, figure, dpi=110)
