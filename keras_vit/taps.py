"""Any intermediate tensor of a model, by the public name of its layer."""

import difflib
import re

import keras

_PUBLIC = re.compile(r"embed|block_\d+|stage_\d+|stage_\d+_block_\d+|norm|map|pool|head")


def list_taps(model):
    """Returns the names that `tap` takes for `model`, in the order of its graph.

    "embed", "block_3", "stage_1", "norm" and "head" are the outputs of those layers; "attention_3" is the
    attention matrix of block 3.
    """
    names = []
    for layer in model.layers:
        if _PUBLIC.fullmatch(layer.name):
            names.append(layer.name)
        if hasattr(layer, "attention_scores"):
            names.append(_attention_name(layer))
    return names


def tap(model, names):
    """Returns a model from `model`'s input to {name: tensor}, sharing its weights.

    A map or sequence comes as the layer gives it; "attention_3" is (B, heads, N, N), which makes that
    block alone compute its matrix a second time. Raises ValueError for a name that can't be tapped.
    """
    names = [names] if isinstance(names, str) else list(names)
    known = list_taps(model)
    for name in names:
        if name not in known:
            close = difflib.get_close_matches(name, known, n=1)
            hint = f" (did you mean {close[0]!r}?)" if close else ""
            raise ValueError(f"{model.name} has no tap {name!r}{hint}; it has {', '.join(known)}")
    return keras.Model(model.input, {name: _tensor(model, name) for name in names}, name=f"{model.name}-taps")


class _Scores(keras.layers.Layer):
    """The attention matrix of a block that stands in a graph already, as a step of the graph with a name of its own."""

    def __init__(self, block, **kwargs):
        super().__init__(**kwargs)
        self.block = block

    def call(self, *args, **kwargs):
        return self.block.attention_scores(*args, **kwargs)


def _attention_name(layer):
    return re.sub(r"block_(\d+)$", r"attention_\1", layer.name)


def _tensor(model, name):
    for layer in model.layers:
        if layer.name == name:
            return _node(model, layer).output_tensors[0]
        if hasattr(layer, "attention_scores") and _attention_name(layer) == name:
            called = _node(model, layer).arguments
            return _Scores(layer, name=name, dtype=layer.dtype_policy)(*called.args, **called.kwargs)
    raise AssertionError(f"{name} is listed but not in the graph")


def _node(model, layer):
    """Returns the call of `layer` that is part of `model`, which may have been called elsewhere too."""
    nodes = (node for depth in model._nodes_by_depth.values() for node in depth)
    return next(node for node in nodes if node.operation is layer)
