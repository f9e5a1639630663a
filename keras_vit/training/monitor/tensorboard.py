"""Shows in TensorBoard what a model is trained on, as it sees it: augmented and mixed."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np

from keras_vit.backend import load
from keras_vit.pictures.batch import batch_picture
from keras_vit.training.devices import cluster

SHOWN = 16  # images


class ShowInput(keras.callbacks.Callback):
    """Draws the first images of `batches`, those that training begins with, for TensorBoard in `folder`/input.

    `preview(batch)` returns the images, uint8 (n, H, W, channels), and their titles. It reads a batch of its own, once,
    and on the chief alone where there are several workers.
    """

    def __init__(self, folder: Path, batches: Any, preview: Callable[[dict], tuple[np.ndarray, list[str]]]) -> None:
        super().__init__()
        self.folder, self.preview = folder, preview
        self.batches = batches.map(lambda batch: {key: each[:SHOWN] for key, each in batch.items()}).take(1)
        self.drawn = False

    def on_epoch_begin(self, epoch, logs=None):
        if self.drawn or not cluster.is_chief(self.model.distribute_strategy):
            return
        self.drawn = True
        summary = load("tensorflow").summary
        images, titles = self.preview(next(self.batches.as_numpy_iterator()))
        writer = summary.create_file_writer(str(self.folder / "input"))
        with writer.as_default():
            about = "The first images of this start, as the model sees them, and what it is to learn from them."
            summary.image("augmented input", batch_picture(images, titles)[None], step=epoch, description=about)
        writer.close()
