"""Gradients of a classifier's logit with respect to what its layers compute on the way."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import keras
import numpy as np
from keras import ops

from keras_vit import bundle
from keras_vit.keras_internals import walk
from keras_vit.outputs import with_logits


def logit_gradients(
    model: keras.Model,
    images: np.ndarray,
    target: np.ndarray,
    matrices: Mapping[str, tuple[int, ...]] | None = None,
    outputs: Mapping[str, tuple[int, ...]] | None = None,
) -> dict[str, np.ndarray]:
    """Returns {layer: d logit / d tensor} for attention matrices and for outputs of layers, in float64.

    `matrices` maps names of blocks to the shapes of their attention taps, `outputs` names of layers to the shapes
    of what they give. `target` (B,) is the class of each image. The images of a batch don't meet in inference, so
    each gets the gradient of its own logit.
    """
    matrices, outputs = matrices or {}, outputs or {}
    shapes = {**matrices, **outputs}

    def total(deltas):
        """Returns the sum of the logits with these zeros added to the tensors."""
        deltas = dict(zip(shapes, deltas, strict=True))

        def call(node, *args, **kwargs):
            name = node.operation.name
            if name in matrices:
                return node.operation(*args, **kwargs, attention_delta=deltas[name])
            output = node.operation(*args, **kwargs)
            return output + ops.cast(deltas[name], output.dtype) if name in outputs else output

        logits = logits_of(walk(model, images, call))
        chosen = ops.one_hot(target, logits.shape[-1], dtype="float32")
        return ops.sum(ops.cast(logits, "float32") * chosen)

    images = ops.convert_to_tensor(images)
    found = _gradients(total, [np.zeros(shape, "float32") for shape in shapes.values()])
    return {name: np.asarray(each, "float64") for name, each in zip(shapes, found, strict=True)}


def logits_of(outputs: Any) -> Any:
    """Returns the logits (B, classes) among a model's outputs, of several heads the mean; None where there are none."""
    found = list(outputs.values()) if isinstance(outputs, dict) else [outputs]
    if any(len(each.shape) != 2 for each in found):
        return None
    return sum(found[1:], start=found[0]) / len(found)


def of_logits(model: keras.Model) -> tuple[keras.Model, str]:
    """Returns a model of which `logits_of` gives logits, and the activation that makes them probabilities.

    Raises ValueError where nothing says what `model` gives.
    """
    if isinstance(model.output, dict):
        return model, bundle.of(model).activation or "softmax"
    return with_logits(model)


def target_of(logits: np.ndarray, target: int | Sequence[int] | np.ndarray | None) -> np.ndarray:
    """Returns the class of each image as (B,): `target`, an int or one for each, or by default the likeliest.

    Raises ValueError for a class that the model doesn't know.
    """
    count, classes = logits.shape
    if target is None:
        return np.argmax(logits, axis=-1)
    chosen = np.asarray(target)
    if (
        chosen.shape not in ((), (count,))
        or chosen.dtype.kind not in "iu"
        or not np.all((chosen >= 0) & (chosen < classes))
    ):
        raise ValueError(f"target is a class from 0 to {classes - 1}, or one for each of {count} images, not {chosen}")
    return np.broadcast_to(chosen, (count,))


def _gradients(function, points):
    """Returns the gradient of a scalar function of a list of arrays with respect to each of them."""
    backend = keras.backend.backend()
    points = [ops.convert_to_tensor(point) for point in points]
    if backend == "tensorflow":
        import tensorflow as tf

        with tf.GradientTape() as tape:
            tape.watch(points)
            value = function(points)
        return tape.gradient(value, points, unconnected_gradients="zero")
    if backend == "jax":
        import jax

        return jax.grad(function)(points)
    import torch

    points = [point.requires_grad_() for point in points]
    found = torch.autograd.grad(function(points), points, allow_unused=True, materialize_grads=True)
    return [each.detach().cpu() for each in found]


def pullback(function: Callable[[Any], Any], point: Any) -> tuple[Any, Callable[[Any], np.ndarray]]:
    """Returns the tensor function(point) and what maps a cotangent of its shape to the gradient at `point`, in float64.

    The second may be called many times, each at the cost of a backward pass.
    """
    backend = keras.backend.backend()
    point = ops.convert_to_tensor(point)
    if backend == "tensorflow":
        import tensorflow as tf

        with tf.GradientTape(persistent=True) as tape:
            tape.watch(point)
            value = function(point)
        return value, lambda cotangent: np.asarray(
            tape.gradient(value, point, output_gradients=cotangent, unconnected_gradients="zero"), "float64"
        )
    if backend == "jax":
        import jax

        value, pulled = jax.vjp(function, point)
        return value, lambda cotangent: np.asarray(pulled(cotangent)[0], "float64")
    import torch

    point = point.detach().requires_grad_()
    value = function(point)

    def pull(cotangent):
        (found,) = torch.autograd.grad(
            value, point, cotangent, retain_graph=True, allow_unused=True, materialize_grads=True
        )
        return np.asarray(found.detach().cpu(), "float64")

    return value, pull
