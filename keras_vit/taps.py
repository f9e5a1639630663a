"""Any intermediate tensor of a model, by the public name of its layer."""

import contextlib
import difflib
import re

import keras
from keras import ops

from keras_vit.models import model_of

_STAGE = r"(stage_\d+_)?"
_PUBLIC = re.compile(
    rf"{_STAGE}(embed|pre_norm|merge|downsample|conv_\d+)(_norm)?|(class_|{_STAGE})block_\d+|stage_\d+|project"
    r"|norm|fc_norm|map|pool|fc|head|head_dist|logits"
)


def list_taps(model):
    """Returns the names that `tap` takes for `model`, in the order of its graph.

    "embed", "block_3", "stage_1", "norm" and "head" are the outputs of those layers. What a block computes
    on its way bears the number of the block: "attention_3" is the attention matrix of "block_3", "query_3",
    "key_3" and "value_3" are what it came from, "mlp_3" the hidden activations of the block's MLP, and so on
    by the `parts` that the block names; "stage_1_attention_0" is that of "stage_1_block_0".
    """
    names = []
    for layer in model_of(model).layers:
        names += [layer.name] if _PUBLIC.fullmatch(layer.name) else []
        names += _parts(layer)
    return names


def tap(model, names):
    """Returns a model from `model`'s input to {name: tensor}, sharing its weights.

    A map or sequence comes as the layer gives it. "attention_3" is (B, heads, N, N), of attention within
    windows (B, windows, heads, N, N); queries, keys and values are (B, heads, N, d), or window by window
    likewise. A block of which a part is asked for, and no other, computes a second time.
    `model` may also be named with its weights, such as "vit-b16:augreg_in21k_ft_in1k".
    Raises ValueError for a name that can't be tapped.
    """
    model = model_of(model)
    names = [names] if isinstance(names, str) else list(names)
    check_names(model, names)
    tensors = {}
    for layer in model.layers:
        if layer.name in names:
            tensors[layer.name] = node_of(model, layer).output_tensors[0]
        asked = {name: part for name, part in _parts(layer).items() if name in names}
        if asked:
            called = node_of(model, layer).arguments
            inside = _Inside(layer, list(asked.values()), name=f"{layer.name}_inside", dtype=layer.dtype_policy)
            found = inside(*called.args, **called.kwargs)
            tensors.update({name: found[part] for name, part in asked.items()})
    return keras.Model(model.input, {name: tensors[name] for name in names}, name=f"{model.name}-taps")


def reduced(model, names, function):
    """Returns a function from images to {name: function(name, tensor)} for the taps of these `names`.

    Each tensor goes as soon as it is reduced: the parts of one block alone are held at a time, and the outputs of
    the layers. What `tap` gives holds all that is asked for at once. No gradient is kept.
    """
    names = [names] if isinstance(names, str) else list(names)
    check_names(model, names)
    insides, needed = {}, []
    for layer in model.layers:
        asked = {name: part for name, part in _parts(layer).items() if name in names}
        if asked:
            inside = _Inside(layer, list(asked.values()), name=f"{layer.name}_inside", dtype=layer.dtype_policy)
            insides[layer.name] = (inside, asked)
        if asked or layer.name in names:
            needed.append(node_of(model, layer).output_tensors[0])
    graph = keras.Model(model.input, needed)  # what lies behind the last tap isn't computed

    def run(images):
        found = {}

        def watched(layer):
            def called(*args, **kwargs):
                given = layer(*args, **kwargs)
                if layer.name in names:
                    found[layer.name] = function(layer.name, given)
                if layer.name in insides:
                    inside, asked = insides[layer.name]
                    parts = inside(*args, **kwargs)
                    found.update({name: function(name, parts.pop(part)) for name, part in asked.items()})
                return given

            return called

        with _without_gradients():
            graph._run_through_graph(ops.convert_to_tensor(images, model.input.dtype), watched)
        return {name: found[name] for name in names}

    return run


def check_names(model, names):
    """Raises ValueError for the first of `names` that `list_taps` doesn't list, and says what would have worked."""
    known = list_taps(model)
    if not names:
        raise ValueError(f"no name to tap was given; {model.name} has {_summary(known)}")
    for name in names:
        if name in known:
            continue
        for layer in model.layers:
            if isinstance(layer, keras.Model) and name in list_taps(layer):
                raise ValueError(
                    f"{name!r} lies within the model {layer.name!r}, which is one layer of {model.name}; "
                    f"tap model.get_layer({layer.name!r})"
                )
        close = difflib.get_close_matches(name, known, n=1)
        hint = f" (did you mean {close[0]!r}?)" if close else ""
        raise ValueError(f"{model.name} has no tap {name!r}{hint}; it has {_summary(known)}")


def block_of(model, name):
    """Returns the block of `model` of which the tap called `name` is a part, or None where it is no part of one."""
    return next((layer for layer in model.layers if name in _parts(layer)), None)


def node_of(model, layer):
    """Returns the call of `layer` that is part of `model`, which may have been called elsewhere too."""
    nodes = (node for depth in model._nodes_by_depth.values() for node in depth)
    return next(node for node in nodes if node.operation is layer)


class _Inside(keras.layers.Layer):
    """The `parts` of a block that stands in a graph already, as a step of the graph of its own."""

    def __init__(self, block, parts, **kwargs):
        super().__init__(**kwargs)
        self.block = block
        self.parts = parts

    def call(self, *args, **kwargs):
        found = self.block.inside(*args, **kwargs)
        return {part: found[part] for part in self.parts}


def _parts(layer):
    """Returns {tap: part} of what `layer` computes on its way, {} where it names nothing."""
    if not hasattr(layer, "inside"):
        return {}
    return {re.sub(r"block_(\d+)$", rf"{part}_\1", layer.name): part for part in layer.parts}


def _without_gradients():
    """Returns a context in which PyTorch keeps nothing for a backward pass; the others keep nothing unasked."""
    if keras.backend.backend() != "torch":
        return contextlib.nullcontext()
    import torch

    return torch.no_grad()


def _summary(names):
    """Returns `names` in a sentence, those that differ in their last number as one."""
    alike = {}
    for name in names:
        alike.setdefault(re.sub(r"\d+$", "", name), []).append(name)
    return ", ".join(each[0] if len(each) == 1 else f"{each[0]} to {each[-1]}" for each in alike.values())
