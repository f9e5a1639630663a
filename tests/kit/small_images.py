"""Folders of images that can be told apart by their value, and what reads them back from batches."""

import io
import itertools

import keras
import numpy as np
from PIL import Image

from keras_vit.data import Preprocessing, Target, decoder

PLAIN = Preprocessing((7, 5), 3, mean=0.0, std=1.0)
CLASSES = {"label": Target("class", ("ant", "bee"))}


def decode(augment="none", **options):
    """Returns what decodes the images of `fill` to (7, 5, 3)."""
    return decoder(CLASSES, PLAIN, augment, **options)


def png(value):
    memory = io.BytesIO()
    Image.fromarray(np.full((7, 5, 3), value, "uint8")).save(memory, "PNG")
    return memory.getvalue()


def fill(root, train=60, test=10):
    """Two classes of `train` + `test` images, each filled with a value of its own: even for ant, odd for bee."""
    for split, start, count in (("train", 20, train), ("val", 160, 5), ("test", 180, test)):
        for number, label in enumerate(("ant", "bee")):
            folder = root / split / label
            folder.mkdir(parents=True)
            for index in range(count):
                value = start + 2 * index + number
                (folder / f"{value}.png").write_bytes(png(value))
    return root


def values(batches):
    """Returns the brightest value (0..255) of each image, batch by batch, and the labels."""
    found = [(np.rint(each["image"].numpy().max((1, 2, 3)) * 255), each["label"].numpy()) for each in batches]
    return [brightest.astype(int).tolist() for brightest, _ in found], [each.tolist() for _, each in found]


def flat(batches):
    return list(itertools.chain(*values(batches)[0]))


def pairs(batches):
    """Returns the batches of (images, labels), as Keras' `fit` takes them."""
    return batches.map(lambda batch: (batch["image"], batch["label"]))


def linear_model():
    model = keras.Sequential([keras.Input((7, 5, 3)), keras.layers.Flatten(), keras.layers.Dense(2)])
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile("sgd", loss, metrics=["accuracy"])
    return model
