"""Predicts the classes of image files.

    keras-vit predict runs/digits seven.png three.jpg
    keras-vit predict vit-b16:augreg_in21k_ft_in1k --top 5 --json *.jpg

A line for each file, with its likeliest classes and their probabilities.
"""

import functools
import json
from typing import Annotated

import numpy as np
import tyro

from keras_vit import checked, cli, data, models, serving
from keras_vit.analysis.probabilities import probabilities

BATCH = 64  # files that are read at once


@checked.options
class Options:
    """What predicts, and for which images."""

    model: tyro.conf.Positional[Annotated[str, tyro.conf.arg(metavar="MODEL")]] = tyro.MISSING
    """folder of a run, a .keras file, MODEL:TAG of a published checkpoint, or MODEL:PATH"""
    images: tyro.conf.Positional[Annotated[tuple[str, ...], tyro.conf.arg(metavar="IMAGE ...")]] = ()
    """files of images"""
    top: int = 1
    """how many classes to print of each"""
    json: bool = False
    """print one JSON object a line"""

    def __post_init__(self):
        if self.top < 1:
            raise ValueError(f"top is at least 1, not {self.top}")


def predict(options):
    """Prints file, labels and probabilities of each image; ValueError for a model or a file that can't be used."""
    if not options.images:
        raise ValueError("no images were given; name some files, as in keras-vit predict runs/digits seven.png")
    model = models.model_of(options.model)
    labels = serving.labels_of(model)
    if labels is None:
        raise ValueError(f"{options.model!r} has no classes to predict, only features; name a classifier")
    models.check_head(options.model, model)
    for start in range(0, len(options.images), BATCH):
        files = options.images[start : start + BATCH]
        for file, shares in zip(files, probabilities(model, data.read_images(files, model)), strict=True):
            likeliest = np.argsort(-shares, kind="stable")[: options.top]
            print(line(file, [labels[i] for i in likeliest], shares[likeliest].tolist(), options.json))


def line(file, labels, shares, as_json):
    """Returns what is printed of one file, whose `labels` have the probabilities `shares`."""
    if as_json:
        return json.dumps({"image": file, "labels": labels, "probabilities": shares})
    return f"{file}: {', '.join(f'{label} ({share:.1%})' for label, share in zip(labels, shares, strict=True))}"


main = functools.partial(cli.run, predict, {"plain": Options}, __doc__)

if __name__ == "__main__":
    main()
