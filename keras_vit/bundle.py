"""What travels with a model: how its images are prepared, what its classes are called, and where it comes from.

It is the configuration of a layer that passes images on, the first of every graph. So it goes wherever Keras takes the
graph: into a saved file and out of it, into a clone, a sub-model or a new head, through `from_config`. (A subclass of
keras.layers.InputLayer would not: `clone_model` makes a plain one of it.)
"""

import dataclasses
import json
import os
import zipfile
from pathlib import Path
from typing import Any

import keras

from keras_vit import keras_internals
from keras_vit.labels import names_of
from keras_vit.layers.images import Bundle, Images

LONGEST = 2**24  # bytes of a configuration, read as a whole; the largest model's has 2 % of it


def of(model: keras.Model) -> Bundle:
    """Returns what travels with `model`; an empty Bundle for a model that keras_vit didn't make."""
    layer = _carrier(model)
    return Bundle() if layer is None else layer.bundle


def of_file(path: str | os.PathLike) -> Bundle:
    """Returns what travels with the model in the .keras file at `path`, without building it; nothing of other files."""
    if Path(path).suffix == ".keras":
        with zipfile.ZipFile(path) as archive:
            size = archive.getinfo("config.json").file_size
            if size > LONGEST:
                raise ValueError(f"its config.json is of {size} bytes; that of no model is above {LONGEST}")
            model = json.loads(archive.read("config.json"))
        for layer in model["config"].get("layers", ()):
            if layer.get("registered_name") == keras.saving.get_registered_name(Images):
                names = {field.name for field in dataclasses.fields(Bundle)}
                return Bundle(**{name: value for name, value in layer["config"].items() if name in names})
    return Bundle()


def carries(model: keras.Model) -> bool:
    """Tells whether `model` can keep a Bundle."""
    return _carrier(model) is not None


def update(model: keras.Model, **changes: Any) -> None:
    """Changes the fields of `model`'s Bundle that are given, such as labels=["ant", "bee"].

    `labels` may be all that keras_vit.labels.names_of takes, a dict or a text file too; `activation` "sigmoid" says
    that an image may be of several classes. Models that share the layers of `model`, its sub-models and new heads,
    share its Bundle; clones and saved files have their own. Raises ValueError for a model that can't carry one.
    """
    layer = _carrier(model)
    if layer is None:
        raise ValueError(
            f"{model.name} has nothing to keep {', '.join(changes)} in: its graph doesn't begin with "
            "keras_vit.layers.image_input; pass them where they are asked for"
        )
    known = [field.name for field in dataclasses.fields(Bundle)]
    if unknown := sorted(changes.keys() - set(known)):
        raise ValueError(f"{unknown[0]!r} is nothing that travels with a model; that is {', '.join(known)}")
    if "labels" in changes:
        changes["labels"] = names_of(() if changes["labels"] is None else changes["labels"])
    layer.bundle = dataclasses.replace(layer.bundle, **changes)


def _carrier(model):
    """Returns the Images layer that `model` calls on its own input, by itself or within a model that it calls on it."""
    inputs = set(map(id, getattr(model, "inputs", None) or ()))
    for layer in model.layers:
        if not isinstance(layer, Images | keras.Model):
            continue
        if inputs.isdisjoint(map(id, keras_internals.called_on(model, layer))):
            continue  # what it sees was changed on the way
        found = layer if isinstance(layer, Images) else _carrier(layer)
        if found is not None:
            return found
    return None
