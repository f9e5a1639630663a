"""Small models of every family, with random weights."""

from dataclasses import fields, replace
from typing import Any

import keras
import numpy as np

from keras_vit import registry
from keras_vit.models import make

CLASSES = 7


def randomise(model: keras.Model, seed: int = 0) -> keras.Model:
    """Moves every weight of `model` away from its initial value, so that no zero hides a fault."""
    rng = np.random.default_rng(seed)
    for weight in model.weights:
        if weight.path.endswith("variance"):
            weight.assign(rng.uniform(0.5, 1.5, weight.shape))
        else:
            weight.assign(np.asarray(weight) + rng.normal(0, 0.1, weight.shape))
    return model


def small(name: str, **overrides: Any) -> keras.Model:
    """Returns the small model of the family called `name`, with random weights."""
    found, config = small_config(name)
    known = {field.name for field in fields(config)}
    for needed in ("image_size", "channels", "classes"):
        assert needed in known, f"the configuration of {name} lacks the field {needed!r}"
    first = registry.join(name, next(iter(found.variants)))
    return randomise(make(first, found, replace(config, **{"classes": CLASSES, **overrides})))


def small_config(name: str) -> tuple[registry.Family, Any]:
    """Returns the family called `name` and the configuration of its small model."""
    found = registry.family(name)
    return found, found.small or next(iter(found.variants.values()))


def size_of(config: Any) -> tuple[int, int]:
    """Returns the size (h, w) of the images that a model of `config` takes."""
    size = config.image_size
    return (size, size) if isinstance(size, int) else tuple(size)
