"""What travels with a model: how its images are prepared, what its classes are called, and where it comes from.

It is the configuration of a layer that passes images on, the first of every graph. So it goes wherever Keras takes the
graph: into a saved file and out of it, into a clone, a sub-model or a new head, through `from_config`. (A subclass of
keras.layers.InputLayer would not: `clone_model` makes a plain one of it.)
"""

import dataclasses
import json
import os
import warnings
import zipfile
from pathlib import Path
from typing import Any

import keras

from keras_vit import keras_internals, registry


@dataclasses.dataclass(frozen=True, kw_only=True)
class Bundle:
    """What is known of a model; empty where nothing is."""

    preprocessing: dict | None = None  # the arguments of keras_vit.data.Preprocessing
    labels: tuple[str, ...] = ()  # names of the classes, in order
    origin: str | None = None  # "MODEL" of the zoo, or "MODEL:TAG" where it began from a published checkpoint

    def __post_init__(self):
        if dataclasses.is_dataclass(self.preprocessing):
            object.__setattr__(self, "preprocessing", dataclasses.asdict(self.preprocessing))
        if self.preprocessing is not None:  # lists where JSON took tuples
            numbers = {key: tuple(x) if isinstance(x, list) else x for key, x in self.preprocessing.items()}
            object.__setattr__(self, "preprocessing", numbers)
        object.__setattr__(self, "labels", tuple(map(str, self.labels)))

    @property
    def family(self) -> str | None:
        """The name of the family of `origin`."""
        return None if self.origin is None else registry.split(self.origin.partition(":")[0])[0]


@keras.saving.register_keras_serializable("keras_vit")
class Images(keras.layers.Layer):
    """Passes images on as they are, (B, h, w, C) to (B, h, w, C), and holds the Bundle of the model it begins."""

    def __init__(
        self, preprocessing: dict | None = None, labels: tuple[str, ...] = (), origin: str | None = None, **kwargs: Any
    ):
        super().__init__(autocast=False, **kwargs)
        self.supports_masking = True
        self.bundle = Bundle(preprocessing=preprocessing, labels=labels, origin=origin)

    def call(self, images: Any) -> Any:
        return images

    def compute_output_spec(self, images: keras.KerasTensor) -> keras.KerasTensor:
        return keras.KerasTensor(images.shape, images.dtype)

    def get_config(self) -> dict[str, Any]:
        plain = json.loads(json.dumps(dataclasses.asdict(self.bundle), default=float))  # lists and Python's own numbers
        return {**super().get_config(), **plain}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "Images":
        """Returns the layer, having imported the family of the model: the layers that follow may be its own."""
        layer = super().from_config(config)
        if layer.bundle.family is not None:
            try:
                registry.family(layer.bundle.family)
            except registry.ZooError as error:  # the model may do without
                warnings.warn(f"a model of the family {layer.bundle.family!r} is loaded, but {error}", stacklevel=2)
        return layer


def of(model: keras.Model) -> Bundle:
    """Returns what travels with `model`; an empty Bundle for a model that keras_vit didn't make."""
    layer = _carrier(model)
    return Bundle() if layer is None else layer.bundle


def of_file(path: str | os.PathLike) -> Bundle:
    """Returns what travels with the model in the .keras file at `path`, without building it; nothing of other files."""
    if Path(path).suffix == ".keras":
        with zipfile.ZipFile(path) as archive:
            model = json.loads(archive.read("config.json"))
        for layer in model["config"].get("layers", ()):
            if layer.get("registered_name") == keras.saving.get_registered_name(Images):
                return Bundle(**{field.name: layer["config"][field.name] for field in dataclasses.fields(Bundle)})
    return Bundle()


def carries(model: keras.Model) -> bool:
    """Tells whether `model` can keep a Bundle."""
    return _carrier(model) is not None


def update(model: keras.Model, **changes: Any) -> None:
    """Changes the fields of `model`'s Bundle that are given, such as labels=["ant", "bee"].

    Models that share the layers of `model`, its sub-models and new heads, share its Bundle; clones and saved files have
    their own. Raises ValueError for a model that can't carry one.
    """
    layer = _carrier(model)
    if layer is None:
        raise ValueError(
            f"{model.name} has nothing to keep {', '.join(changes)} in: its graph doesn't begin with "
            "keras_vit.layers.image_input; pass them where they are asked for"
        )
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
