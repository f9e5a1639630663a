"""How large a model is and how much it computes, found without allocating a weight."""

import math
from concurrent.futures import ThreadPoolExecutor

import keras

from keras_vit import backend, registry


def count_parameters(name, **overrides):
    """Returns the number of trainable weights of the model called `name`."""
    return _of_unborn(name, overrides, _parameters)


def count_macs(name, **overrides):
    """Returns the multiply-accumulates of one image through the model called `name`.

    Counts what its graph multiplies: products of matrices and convolutions, of which a ViT's attention is
    two; a bias, a norm or an activation counts nothing. Needs TensorFlow. Raises ValueError where the model
    takes any size and none is given.
    """
    return _of_unborn(name, overrides, _macs)


def count_both(name, **overrides):
    """Returns (count_parameters, count_macs) of the model called `name`, building it once."""
    return _of_unborn(name, overrides, lambda model: (_parameters(model), _macs(model)))


def _of_unborn(name, overrides, measure):
    found, config = registry.resolve(name, overrides)

    def run():
        with keras.StatelessScope(initialize_variables=False):
            return measure(found.make(config))

    # Keras keeps the unborn weights for later in the state of the thread: one that ends forgets them
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(run).result()


def _parameters(model):
    return sum(math.prod(weight.shape) for weight in model.trainable_weights)


def _macs(model):
    tf = backend.load("tensorflow")
    if None in model.input.shape[1:]:
        raise ValueError(f"{model.name} takes images of any size; say which: image_size=224")
    with tf.Graph().as_default() as graph:
        weights = [
            [tf.compat.v1.placeholder(weight.dtype, weight.shape) for weight in some]
            for some in (model.trainable_variables, model.non_trainable_variables)
        ]
        model.stateless_call(*weights, tf.compat.v1.placeholder("float32", (1, *model.input.shape[1:])))
        return sum(_COUNTS[op.type](op) for op in graph.get_operations() if op.type in _COUNTS)


def _matmul(op):
    left = op.inputs[0].shape
    inner = left[-2] if op.get_attr("transpose_a" if op.type == "MatMul" else "adj_x") else left[-1]
    return op.outputs[0].shape.num_elements() * inner


def _convolution(op):
    height, width, channels, _ = op.inputs[1].shape
    return op.outputs[0].shape.num_elements() * height * width * channels


def _depthwise(op):
    height, width = op.inputs[1].shape[:2]
    return op.outputs[0].shape.num_elements() * height * width


def _einsum(op):
    terms, _, _ = op.get_attr("equation").decode().partition("->")
    sides = {}
    for term, tensor in zip(terms.split(","), op.inputs, strict=True):
        sides |= dict(zip(term, tensor.shape, strict=True))
    return math.prod(sides.values()) if len(op.inputs) > 1 else 0


_COUNTS = {
    "MatMul": _matmul,
    "BatchMatMulV2": _matmul,
    "Conv2D": _convolution,
    "DepthwiseConv2dNative": _depthwise,
    "Einsum": _einsum,
}
