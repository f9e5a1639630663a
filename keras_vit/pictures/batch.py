"""A picture of a batch of images as an array, for TensorBoard."""

from collections.abc import Sequence

import numpy as np

from keras_vit.backend import load
from keras_vit.pictures.figure import new_figure

ROW = 4  # images
WIDTH = 2.0  # inches of an image


def batch_picture(images: np.ndarray, titles: Sequence[str]) -> np.ndarray:
    """Returns a picture, uint8 (height, width, 3), of `images` (n, H, W, channels) of 0 to 255 with their titles."""
    rows = -(-len(images) // ROW)
    height = WIDTH * images.shape[1] / images.shape[2]
    figure, axes = new_figure(rows, ROW, (1.1 * WIDTH * ROW, (height + 0.6) * rows))
    figure.set_dpi(110)
    canvas = load("matplotlib.backends.backend_agg").FigureCanvasAgg(figure)
    for axis in axes.flat:
        axis.set_axis_off()
    for axis, image, title in zip(axes.flat, images.round().astype("uint8"), titles, strict=False):
        axis.imshow(image.squeeze(), cmap="gray", vmin=0, vmax=255)
        axis.set_title(title, fontsize=9)
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[..., :3]
