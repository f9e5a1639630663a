"""Layers that also give what they compute on the way to their output."""

from collections.abc import Mapping, Sequence
from typing import Any

import keras

from keras_vit.layers.recorded import Recorded

_RENAMED = {"hidden": "mlp_dim", "token_hidden": "token_mlp_dim"}  # arguments in files of before 1.0


class Tappable(Recorded):
    """The base of layers whose `call` takes `intermediates`, names of tensors on the way to the output.

    A subclass lists in `intermediates` the names that it knows, and ends its `call` with `select`: with
    `intermediates=None` a call returns the output, with a sequence of names {"out": output, name: tensor}, from the
    same computation. Where such a layer is called "block_3" in a model, its intermediate "mlp" is the tap "mlp_3".
    A residual layer lists its `branches` too.
    """

    intermediates: tuple[str, ...] = ()
    # {name: (what skips the branch, what it adds)} of a residual layer, both intermediates; None is the layer's input
    branches: Mapping[str, tuple[str | None, str]] = {}

    def select(self, tensors: Mapping[str, Any], intermediates: Sequence[str] | None) -> Any:
        """Returns "out" of `tensors`, or with `intermediates` a dict of it and of these.

        Raises ValueError for a name that isn't among `tensors`.
        """
        if intermediates is None:
            return tensors["out"]
        for name in intermediates:
            if name not in self.intermediates:
                raise ValueError(f"{self.name} has no intermediate {name!r}; it has {', '.join(self.intermediates)}")
        return {name: tensors[name] for name in ("out", *intermediates)}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "Tappable":
        return super().from_config({_RENAMED.get(name, name): value for name, value in config.items()})

    def compute_output_spec(self, *args: Any, intermediates: Sequence[str] | None = None, **kwargs: Any) -> Any:
        if intermediates is None:
            return super().compute_output_spec(*args, **kwargs)
        # compute_output_shape knows the shape of the output alone; those of the others are found by tracing `call`
        return keras.Operation.compute_output_spec(self, *args, intermediates=intermediates, **kwargs)


@keras.saving.register_keras_serializable("keras_vit", name="_Tapped")  # as files of before 1.0 call it
class Tapped(keras.layers.Wrapper):
    """A layer with its intermediates as a step of a graph; Keras lets a layer itself give one structure only."""

    def __init__(self, layer: keras.layers.Layer, intermediates: Sequence[str], **kwargs: Any):
        super().__init__(layer, **{"name": f"{layer.name}_tapped", "dtype": layer.dtype_policy, **kwargs})
        self.intermediates = intermediates

    def call(self, *args: Any, training: bool | None = None, **kwargs: Any) -> Any:
        return self.layer(*args, training=training, intermediates=self.intermediates, **kwargs)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "intermediates": self.intermediates}
