"""Shows in TensorBoard what a model is trained on, as it sees it: augmented and mixed."""

import contextlib
import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np

from keras_vit.backend import load
from keras_vit.files import WriteError, writing
from keras_vit.pictures.batch import batch_picture
from keras_vit.training.context import Training
from keras_vit.training.devices import cluster
from keras_vit.training.options import profiled_steps

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
        picture = batch_picture(images, titles)[None]
        about = "The first images of this start, as the model sees them, and what it is to learn from them."
        with _writing(self.folder):
            writer = summary.create_file_writer(str(self.folder / "input"))
            with writer.as_default():
                summary.image("augmented input", picture, step=epoch, description=about)
            writer.close()


def boards(training: Training, batches: Any) -> list[keras.callbacks.Callback]:
    """Returns the callbacks that tell TensorBoard of a training, and what the first of its `batches` look like."""
    options, folder = training.options, training.folder.tensorboard
    preview = functools.partial(options.task.preview, options, training.source, training.learner)
    made = board(folder, write_graph=False, profile_batch=profiled_steps(options.run.profile))
    return [made, ShowInput(folder, batches, preview)]


def board(folder: Path, **options: Any) -> keras.callbacks.TensorBoard:
    """Returns Keras' TensorBoard with `options`, which raises WriteError where `folder` can't be written to."""
    made = keras.callbacks.TensorBoard(folder, **options)
    for name in ("set_model", *(each for each in dir(keras.callbacks.Callback) if each.startswith("on_"))):
        setattr(made, name, _writing(folder)(getattr(made, name)))
    return made


@contextlib.contextmanager
def _writing(folder):
    """Within it errors of TensorFlow, and of the file system, are a WriteError; it decorates functions too."""
    try:
        with writing(folder):
            yield
    except load("tensorflow").errors.OpError as error:
        raise WriteError(f"{folder} can't be written: {error.message.partition(chr(10))[0]}") from error
