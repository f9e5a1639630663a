"""What the outputs of a classifier are: logits, or probabilities already, and of which kind."""

from typing import Any

import keras
import numpy as np
from keras import ops

from keras_vit import bundle
from keras_vit.keras_internals import functional, producing_node
from keras_vit.layers.images import ACTIVATIONS

_COMPUTING = (keras.layers.Dense, keras.layers.EinsumDense, keras.layers.Conv1D, keras.layers.Conv2D)
_PASSING = (
    keras.layers.Activation,  # a linear one
    keras.layers.Dropout,
    keras.layers.Flatten,
    keras.layers.Identity,
    keras.layers.Reshape,
)
_AVERAGING = (keras.layers.Average, keras.layers.GlobalAveragePooling1D, keras.layers.GlobalAveragePooling2D)


def with_logits(model: keras.Model) -> tuple[keras.Model, str]:
    """Returns a model from images to the logits (B, classes) of `model`, sharing its layers, and their activation.

    The activation, "softmax" or "sigmoid", makes them the probabilities of `model`. It is that which its last layer
    applies, or else what travels with it (keras_vit.bundle), or softmax; of one class alone it is sigmoid. The weights
    of a last layer with an activation of its own are copied. Raises ValueError where the last layer may give either.
    """
    model = functional(model) or model
    output = model.output
    if not hasattr(output, "shape") or len(output.shape) != 2:
        raise ValueError(f"{model.name} has no one output (B, classes) of classes")
    given, logits = _logits(model, output)
    if given is not None:
        return keras.Model(model.input, logits, name=model.name), given
    return model, "sigmoid" if output.shape[-1] == 1 else bundle.of(model).activation or "softmax"


def probabilities_of(logits: np.ndarray, activation: str) -> np.ndarray:
    """Returns the probabilities (B, classes) of logits (B, classes) in float64."""
    logits = np.asarray(logits, "float64")
    if activation == "sigmoid":
        return 0.5 * (1 + np.tanh(0.5 * logits))  # without overflow
    e = np.exp(logits - logits.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


def _logits(graph: keras.Model, tensor: Any) -> tuple[str | None, Any]:
    """Returns the activation that gave `tensor`, None for logits, and the logits."""
    node = producing_node(graph, tensor)
    layer, inputs = node.operation, node.input_tensors
    kind = _activation(layer)
    inner = functional(layer)
    if inner is not None and hasattr(inner.output, "shape"):
        given, logits = _logits(inner, inner.output)
        return given, tensor if given is None else keras.Model(inner.input, logits, name=layer.name)(inputs[0])
    if kind in ACTIVATIONS:
        return kind, _without_activation(layer)(inputs[0]) if isinstance(layer, _COMPUTING) else inputs[0]
    if kind == "log_softmax" or (kind == "linear" and isinstance(layer, _COMPUTING)):
        return None, tensor
    if isinstance(layer, (*_PASSING, *_AVERAGING)) and kind in (None, "linear"):
        found = [_logits(graph, each) for each in inputs]
        kind, before = found[0]
        if all(each is None for each, _ in found):
            return None, tensor
        if kind is not None and all(each == kind for each, _ in found):
            # the mean of probabilities has no logits in the graph
            return kind, _inverse(tensor, kind) if isinstance(layer, _AVERAGING) else layer(before)
    raise ValueError(
        f"nothing says whether {graph.name} gives logits or probabilities: it ends with {layer.name!r}, a "
        f"{type(layer).__name__}; end it with keras.layers.Activation('linear') for logits, 'softmax' for classes that "
        "exclude each other, or 'sigmoid' for such that an image has several of"
    )


def _activation(layer: Any) -> str | None:
    """Returns the name of the activation that `layer`, or an operation of keras.ops, applies in the end."""
    name = {"Softmax": "softmax", "Sigmoid": "sigmoid", "LogSoftmax": "log_softmax"}.get(type(layer).__name__)
    if name is not None:
        return name
    function = getattr(layer, "activation", None)
    if function is None:
        return "linear" if isinstance(layer, _COMPUTING) else None
    return getattr(function, "__name__", type(function).__name__)


def _without_activation(layer: keras.layers.Layer) -> keras.layers.Layer:
    plain = type(layer).from_config({**layer.get_config(), "activation": None, "name": f"{layer.name}_logits"})
    plain.build(*layer.get_build_config().values())
    plain.set_weights(layer.get_weights())
    return plain


def _inverse(probabilities: Any, activation: str) -> Any:
    """Returns logits of `probabilities`."""
    least = keras.config.epsilon()
    log = ops.log(ops.clip(probabilities, least, 1.0))
    return log if activation == "softmax" else log - ops.log(ops.clip(1 - probabilities, least, 1.0))
