"""Exports a model as a SavedModel for TensorFlow Serving, with its preprocessing and labels inside.

keras-vit export runs/digits served/1
"""

import functools
from typing import Annotated

import tyro

import keras_vit
from keras_vit import checked, cli, models


@checked.options
class Options:
    """What to export, and where."""

    model: tyro.conf.Positional[Annotated[str, tyro.conf.arg(metavar="MODEL")]] = tyro.MISSING
    """folder of a run, a .keras file, MODEL:TAG of a published checkpoint, or MODEL:PATH"""
    folder: tyro.conf.Positional[Annotated[str, tyro.conf.arg(metavar="FOLDER")]] = tyro.MISSING
    """new folder to write to, such as served/1"""


def export(options):
    """Exports the model and prints where; ValueError for what can't be exported."""
    model = models.model_of(options.model)
    models.check_head(options.model, model)
    print(f"exported to {keras_vit.export(model, options.folder)}")


main = functools.partial(cli.run, export, {"plain": Options}, __doc__)

if __name__ == "__main__":
    main()
