"""Every private name of Keras that we need, each behind one function.

Beside each stands the public API that we would use instead if Keras had it. tests/test_keras_internals.py has a canary
for each, so that a release that renames one fails there, and says so.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any


def flat_layers(model: keras.Model) -> list[keras.layers.Layer]:
    """Returns every layer of `model`, nested ones too, without `model` itself.

    Wish: `keras.Model.layers(recursive=True)`.
    """
    return list(model._flatten_layers(include_self=False))


def own_variables(layer: keras.layers.Layer) -> list[keras.Variable]:
    """Returns the variables that `layer` itself made, without those of the layers inside it.

    Wish: `keras.Layer.own_variables`.
    """
    return [*layer._trainable_variables, *layer._non_trainable_variables]


def learned_variables(layer: keras.layers.Layer) -> list[keras.Variable]:
    """Returns the variables that `layer` itself made to be trained, frozen or not: a norm's scale, not its statistics.

    Wish: that `keras.Variable` tells what is frozen from what isn't trained by nature.
    """
    return list(layer._trainable_variables)


def sublayers(layer: keras.layers.Layer) -> list[keras.layers.Layer]:
    """Returns the layers within `layer`, without those within them.

    Wish: `keras.Layer.layers`.
    """
    return list(layer._flatten_layers(include_self=False, recursive=False))


def keeps_arguments(base: type[keras.layers.Layer]) -> Callable[[Callable[..., dict]], Callable[..., dict]]:
    """Lets a subclass of `base` extend `get_config` and keep the plain arguments that Keras records without one.

    Keras tells a get_config of its own from that of a layer by a mark, which this passes on.
    Wish: `keras.Layer.arguments`.
    """
    return functools.wraps(base.get_config)


def stored_kernel(dense: keras.layers.Dense) -> keras.Variable:
    """Returns the kernel of `dense` as it is stored, without the matrices of LoRA, which its `kernel` adds.

    Wish: `keras.layers.Dense.stored_kernel`.
    """
    return dense._kernel


def functional(model: Any) -> Any:
    """Returns the functional model that `model` is, or has within it as a Sequential; None for anything else.

    Wish: `keras.Sequential.functional`.
    """
    graph = getattr(model, "_functional", model)
    return graph if isinstance(model, keras.Model) and hasattr(graph, "_nodes_by_depth") else None


def graph_nodes(model: keras.Model) -> list[Any]:
    """Returns the calls of layers and operations that `model` is made of, in an order in which they can run.

    Each has the layer or operation as `operation`, its `arguments`, `input_tensors` and `outputs`, and `is_input`.
    Wish: `keras.Model.nodes`.
    """
    nodes = functional(model)._nodes_by_depth
    return [node for depth in sorted(nodes, reverse=True) for node in nodes[depth]]


def call_node(model: keras.Model, layer: keras.layers.Layer) -> Any:
    """Returns the first call of `layer` that is part of `model`; the layer may have been called elsewhere too.

    Wish: `keras.Model.node_of(layer)`.
    """
    return next(node for node in graph_nodes(model) if node.operation is layer)


def producing_node(model: keras.Model, tensor: keras.KerasTensor) -> Any:
    """Returns the one of `graph_nodes` that `tensor`, one of the graph of `model`, is an output of.

    Wish: `keras.Model.node_of(tensor)`.
    """
    return next(node for node in graph_nodes(model) if any(each is tensor for each in node.outputs))


def producer(model: keras.Model, tensor: keras.KerasTensor) -> Any:
    """Returns the layer or operation of `model` that `tensor`, one of its graph, is an output of."""
    return producing_node(model, tensor).operation


def walk(model: keras.Model, inputs: Any, call: Callable[..., Any]) -> Any:
    """Returns what `model` gives for `inputs`, tensors or symbols, where call(node, *args, **kwargs) makes each call.

    `node` is one of `graph_nodes`; a `call` that changes nothing returns node.operation(*args, **kwargs).
    Wish: `keras.Function(..., call=)`, or hooks of layers.
    """
    values = dict(zip(map(id, functional(model).inputs), keras.tree.flatten(inputs), strict=True))
    for node in graph_nodes(model):
        if not node.is_input:
            args, kwargs = node.arguments.fill_in(values)
            outputs = keras.tree.flatten(call(node, *args, **kwargs))
            values.update(zip(map(id, node.outputs), outputs, strict=True))
    return keras.tree.map_structure(lambda symbol: values[id(symbol)], functional(model).output)


def called_on(model: keras.Model, layer: keras.layers.Layer) -> list[keras.KerasTensor]:
    """Returns the symbolic tensors that `layer` is called on within `model`; none where `model` has no graph.

    Wish: `keras.Model.node_of(layer)`, of a Sequential too.
    """
    nodes = graph_nodes(model) if functional(model) is not None else []
    return [tensor for node in nodes if node.operation is layer for tensor in node.input_tensors]


def seed_generators(layer: keras.layers.Layer) -> list[keras.random.SeedGenerator]:
    """Returns the keras.random.SeedGenerators of `layer` itself.

    Wish: `keras.Layer.seed_generators`.
    """
    return list(getattr(layer, "_seed_generators", ()))


def averages(optimizer: keras.optimizers.Optimizer) -> list[tuple[keras.Variable, keras.Variable]]:
    """Returns the pairs (weight, its moving average) that an optimizer with `use_ema` keeps.

    Wish: `Optimizer.averages`, or a SwapEMAWeights that swaps without rounding.
    """
    return list(zip(optimizer._trainable_variables, optimizer._model_variables_moving_average, strict=True))


def variable_index(optimizer: keras.optimizers.Optimizer, variable: keras.Variable) -> int:
    """Returns the place of `variable` among those that `optimizer` was built with.

    Wish: `Optimizer.variable_index`.
    """
    return optimizer._get_variable_index(variable)


def moments(optimizer: keras.optimizers.Optimizer) -> list[tuple[keras.Variable, keras.Variable]]:
    """Returns the first and the second moment of each variable that an optimizer of Adam's kind was built with.

    Wish: `Adam.momentums` and `Adam.velocities`.
    """
    return list(zip(optimizer._momentums, optimizer._velocities, strict=True))


def clip_after_reduction(optimizer: keras.optimizers.Optimizer, clip: Callable[[list], list]) -> None:
    """Makes `optimizer` change the gradients by `clip` after they are summed over all devices.

    Wish: `global_clipnorm` that acts after the reduction; Keras clips the gradient of each device on its own.
    """
    reduce = optimizer._all_reduce_sum_gradients

    def reduce_and_clip(pairs):
        reduced, variables = zip(*reduce(pairs), strict=True)
        return list(zip(clip(list(reduced)), variables, strict=True))

    optimizer._all_reduce_sum_gradients = reduce_and_clip


# last: once Keras is there our layers are imported (serialization), which need what stands above
import keras  # noqa: E402
