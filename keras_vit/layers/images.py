"""The first layer of every model, and the record that it carries."""

import dataclasses
import json
import warnings
from typing import Any

import keras

from keras_vit import registry

ACTIVATIONS = ("softmax", "sigmoid")  # of classes that exclude each other, and of such that an image has several of


@dataclasses.dataclass(frozen=True, kw_only=True)
class Bundle:
    """What is known of a model; empty where nothing is."""

    preprocessing: dict | None = None  # the arguments of keras_vit.data.Preprocessing
    labels: tuple[str, ...] = ()  # names of the classes, in order
    origin: str | None = None  # "MODEL" of the zoo, or "MODEL:TAG" where it began from a published checkpoint
    activation: str | None = None  # from logits to probabilities, one of ACTIVATIONS; softmax where nothing is said

    def __post_init__(self):
        if dataclasses.is_dataclass(self.preprocessing):
            object.__setattr__(self, "preprocessing", dataclasses.asdict(self.preprocessing))
        if self.preprocessing is not None:  # lists where JSON took tuples
            numbers = {key: tuple(x) if isinstance(x, list) else x for key, x in self.preprocessing.items()}
            object.__setattr__(self, "preprocessing", numbers)
        object.__setattr__(self, "labels", tuple(map(str, self.labels)))
        if self.activation not in (None, *ACTIVATIONS):
            raise ValueError(f"activation is {' or '.join(map(repr, ACTIVATIONS))}, not {self.activation!r}")

    def __str__(self) -> str:
        """Returns what a person asks first of a model, one line each."""
        said = {"origin": self.origin or "unknown", "pixels": _pixels(self.preprocessing)}
        few = ", ".join(self.labels[:3]) + (", …" if len(self.labels) > 3 else "")
        said["labels"] = f"{len(self.labels)}: {few}" if self.labels else "unknown"
        said["activation"] = f"{self.activation or 'softmax'}, which makes probabilities of the logits of a classifier"
        return "\n".join(f"{name + ':':<12}{text}" for name, text in said.items())

    @property
    def family(self) -> str | None:
        """The name of the family of `origin`."""
        return None if self.origin is None else registry.split(self.origin.partition(":")[0])[0]


def _pixels(numbers: dict | None) -> str:
    """Returns in words what a model takes for a pixel, and of which images."""
    if numbers is None:
        return "unknown; keras_vit.bundle.update(model, preprocessing=...) says how images are prepared"
    scales = {name: numbers.get(name, 0.5) for name in ("mean", "std")}
    mean, std = (f"({', '.join(f'{x:g}' for x in n)})" if isinstance(n, tuple) else f"{n:g}" for n in scales.values())
    size = numbers.get("image_size", 224)
    height, width = size if isinstance(size, tuple) else (size, size)
    return f"(pixel / 255 - {mean}) / {std}, of {height} x {width}; keras_vit.preprocessing(model)(images) makes them"


@keras.saving.register_keras_serializable("keras_vit")
class Images(keras.layers.Layer):
    """Passes images on as they are, (B, h, w, C) to (B, h, w, C), and holds the Bundle of the model it begins."""

    def __init__(
        self,
        preprocessing: dict | None = None,
        labels: tuple[str, ...] = (),
        origin: str | None = None,
        activation: str | None = None,
        **kwargs: Any,
    ):
        super().__init__(autocast=False, **kwargs)
        self.supports_masking = True
        self.bundle = Bundle(preprocessing=preprocessing, labels=labels, origin=origin, activation=activation)

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
