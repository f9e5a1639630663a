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

    @property
    def family(self) -> str | None:
        """The name of the family of `origin`."""
        return None if self.origin is None else registry.split(self.origin.partition(":")[0])[0]


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
