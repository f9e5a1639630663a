"""Shows in TensorBoard what images a model is trained on, as it sees them: augmented and mixed."""

import keras
import numpy as np

from keras_vit.backend import load
from keras_vit.pictures.batch import batch_picture
from keras_vit.pictures.figure import shortened
from keras_vit.training.devices import cluster

SHOWN = 16  # images
NAME = 18  # characters of a label that fit above an image


class ShowInput(keras.callbacks.Callback):
    """Draws the first images of `batches`, those that training begins with, for TensorBoard in `folder`/input.

    `batches` gives (images, label shares (B, classes)), whose images `preprocessing` has normalised and whose classes
    are `labels`. It reads a batch of its own, once; and on the chief alone, where there are several workers.
    """

    def __init__(self, folder, batches, preprocessing, labels):
        super().__init__()
        self.folder = folder
        self.batches = batches.map(lambda images, shares: (images[:SHOWN], shares[:SHOWN])).take(1)
        self.preprocessing = preprocessing
        self.labels = labels
        self.drawn = False

    def on_epoch_begin(self, epoch, logs=None):
        if self.drawn or not cluster.is_chief(self.model.distribute_strategy):
            return
        self.drawn = True
        summary = load("tensorflow").summary
        images, shares = next(self.batches.as_numpy_iterator())
        picture = batch_picture(
            self.preprocessing.denormalize(images), [captions(each, self.labels) for each in shares]
        )
        writer = summary.create_file_writer(str(self.folder / "input"))
        with writer.as_default():
            about = "The first images of this start, as the model sees them, with the shares of their labels."
            summary.image("augmented input", picture[None], step=epoch, description=about)
        writer.close()


def captions(shares, labels):
    """Returns the label of `shares` (classes,), or the two that it is mixed of with their percentages, one a line."""
    best = sorted(np.flatnonzero(shares), key=lambda i: -shares[i])
    names = [shortened(labels[i], NAME) for i in best]
    if len(names) == 1:
        return names[0]
    return "\n".join(f"{shares[i]:.0%} {name}" for i, name in zip(best, names, strict=True))
