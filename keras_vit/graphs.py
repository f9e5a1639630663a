"""Models that hold other models as layers, as one graph."""

import weakref
from typing import Any

import keras

from keras_vit import keras_internals

_known: "weakref.WeakKeyDictionary[keras.Model, keras.Model]" = weakref.WeakKeyDictionary()


def flat(model: keras.Model) -> keras.Model:
    """Returns `model` with the layers of the models within it in their place; itself where it holds none.

    The layers are shared, so a change of weights is one of both. Raises ValueError where two models within it have
    layers of one name, which no graph may have.
    """
    graph = keras_internals.functional(model)
    if graph is None or not any(map(_is_graph, model.layers)):
        return model if graph is None else graph  # that of a Sequential, which itself has neither input nor output
    if model not in _known:
        images = keras.tree.map_structure(
            lambda each: keras.Input(each.shape[1:], dtype=each.dtype, name=each.name), graph.input
        )
        try:
            _known[model] = keras.Model(images, keras_internals.walk(model, images, _run), name=model.name)
        except ValueError as error:
            inner = [layer.name for layer in model.layers if _is_graph(layer)]
            raise ValueError(
                f"{model.name} holds models, {', '.join(inner)}, that make no one graph with it: {error}; "
                f"take model.get_layer({inner[0]!r})"
            ) from error
    return _known[model]


def _run(node: Any, *args: Any, **kwargs: Any) -> Any:
    operation = node.operation
    if _is_graph(operation) and len(args) == 1 and not kwargs.get("mask"):
        return keras_internals.walk(operation, args[0], _run)
    return operation(*args, **kwargs)


def _is_graph(layer: Any) -> bool:
    return keras_internals.functional(layer) is not None
