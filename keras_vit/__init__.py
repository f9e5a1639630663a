"""Vision Transformers for Keras: a plug-in zoo to understand, train, tune and serve.

`import keras_vit` loads neither Keras nor a backend; the first model built does.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, cast

from keras_vit import backend, files, quiet, registry, serialization
from keras_vit.registry import ZooError, list_families, list_models, register

if TYPE_CHECKING:  # for type checkers and editors: the same as _MODULES and _LOADED_ON_USE
    import keras

    from keras_vit import analysis as analysis
    from keras_vit import bundle as bundle
    from keras_vit import data as data
    from keras_vit import heads as heads
    from keras_vit import layers as layers
    from keras_vit import models as models
    from keras_vit import outputs as outputs
    from keras_vit import pictures as pictures
    from keras_vit import taps as taps
    from keras_vit import testing as testing
    from keras_vit import weights as weights
    from keras_vit.data.published import preprocessing as preprocessing
    from keras_vit.serving import export as export
    from keras_vit.tasks.classify import Classify as Classify
    from keras_vit.training.options import Options as Options
    from keras_vit.training.train import train as train
    from keras_vit.weights import load_weights as load_weights

__version__ = "0.1.0"
__all__ = [
    "Classify",
    "Options",
    "ZooError",
    "build",
    "export",
    "list_families",
    "list_models",
    "load_weights",
    "preprocessing",
    "register",
    "train",
]

_MODULES = (
    "analysis",
    "bundle",
    "data",
    "heads",
    "layers",
    "models",
    "outputs",
    "pictures",
    "taps",
    "testing",
    "weights",
)
_LOADED_ON_USE = {
    "load_weights": "keras_vit.weights",
    "preprocessing": "keras_vit.data.published",
    "export": "keras_vit.serving",
    "Classify": "keras_vit.tasks.classify",
    "Options": "keras_vit.training.options",
    "train": "keras_vit.training.train",
}

if quiet.VARIABLE in os.environ:  # a command has started this process
    quiet.start()
serialization.register_with_keras(("keras_vit.layers", "keras_vit.heads", "keras_vit.training.optim.parameter_groups"))


def build(name: str | os.PathLike, weights: str | os.PathLike | None = None, **overrides) -> keras.Model:
    """Builds the model called `name`, such as "vit-b16", its configuration changed by `overrides`.

    `name` may also be the folder of a run, such as "runs/photos", or a .keras file: the model is the trained one then,
    as it is, without `weights` and `overrides`. A folder called like a family is written "./vit".
    `weights` is the path of a checkpoint that `load_weights` understands, or the tag of a published one,
    such as "augreg_in21k_ft_in1k". With `classes` other than the checkpoint's the head is new, and a warning says so.
    The model's `name` is `name`. It takes normalised images (B, H, W, C), not pixels of 0 to 255:
    `keras_vit.preprocessing(model)(images)` makes them where the weights say how, and an untrained model is trained on
    what `keras_vit.preprocessing(name)` makes, from -1 to 1. It gives logits (B, classes), not probabilities, so that
    losses want `from_logits=True`; with classes=0 it gives the feature maps of the backbone. Of another `width` the
    MLPs keep their ratio to it (`mlp_dim`), and `heads` stays where it divides the width, else it becomes the number
    that does and keeps the width of a head most nearly; what is given itself wins.
    Raises ZooError for an unknown name or override, ValueError for a value that the family can't take and for a path
    where no model lies.

    >>> model = keras_vit.build("vit-ti16", classes=10, image_size=(32, 48), channels=1, patch=8, depth=2, width=64)
    >>> model.name, model.output.shape
    ('vit-ti16', (None, 10))
    >>> loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    >>> model.compile("adamw", loss, metrics=["accuracy"])
    >>> list(keras_vit.build("resnet-18", classes=0, width=8).output)
    ['map', 'stage_0', 'stage_1', 'stage_2', 'stage_3']
    """
    if not files.is_path(name, list_families()):
        # an unknown family is answered before Keras loads, which takes seconds
        registry.offer_of(registry.split(cast(str, name))[0])
    return backend.load("keras_vit.models").build(name, weights, **overrides)


def __getattr__(name):
    if name in _MODULES:
        return backend.load(f"keras_vit.{name}")
    if name not in _LOADED_ON_USE:
        raise AttributeError(f"module 'keras_vit' has no attribute {name!r}")
    return getattr(backend.load(_LOADED_ON_USE[name]), name)


def __dir__():
    return sorted({*globals(), *__all__, *_MODULES})
