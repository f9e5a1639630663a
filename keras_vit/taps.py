"""Any intermediate tensor of a model, by the public name of its layer."""

import contextlib
import difflib
import re
from collections.abc import Callable, Iterable
from typing import Any

import keras
from keras import ops

from keras_vit.keras_internals import call_node, walk
from keras_vit.layers import Tappable
from keras_vit.layers.intermediates import Tapped
from keras_vit.models import model_of

_STAGE = r"(stage_\d+_)?"
_PUBLIC = re.compile(
    rf"{_STAGE}(embed|pre_norm|merge|downsample|conv_\d+)(_norm)?|(class_|{_STAGE})block_\d+|stage_\d+|project"
    r"|norm|fc_norm|map|pool|fc|head|head_dist|logits"
)


def list_taps(model: keras.Model | str) -> list[str]:
    """Returns the names that `tap` takes for `model`, in the order of its graph.

    "embed", "block_3", "stage_1", "norm" and "head" are the outputs of those layers. What a block computes
    on its way bears the number of the block: "attention_3" is the attention matrix of "block_3", "query_3",
    "key_3" and "value_3" are what it came from, "mlp_3" the activations of the block's MLP, and so on
    by the `intermediates` that the block lists; "stage_1_attention_0" is that of "stage_1_block_0".
    """
    names = []
    for layer in model_of(model).layers:
        names += [layer.name] if _PUBLIC.fullmatch(layer.name) else []
        names += intermediates_of(layer)
    return names


def tap(model: keras.Model | str, names: str | Iterable[str]) -> keras.Model:
    """Returns a model from `model`'s input to {name: tensor}, sharing its weights.

    A map or sequence comes as the layer gives it. "attention_3" is (B, heads, N, N), of attention within
    windows (B, windows, heads, N, N); queries, keys and values are (B, heads, N, d), or window by window
    likewise. Each block computes once, whatever is asked of it.
    `model` may also be named with its weights, such as "vit-b16:augreg_in21k_ft_in1k"; taps of a model that is a layer
    of it are its own.
    Raises ValueError for a name that can't be tapped.
    """
    model = model_of(model)
    names = [names] if isinstance(names, str) else list(names)
    check_names(model, names)
    tensors: dict = {}

    def call(node, *args, **kwargs):
        def run(**options):
            if not options and _unchanged(node, args, kwargs):
                return node.outputs[0] if len(node.outputs) == 1 else node.outputs
            layer = Tapped(node.operation, **options) if options else node.operation
            return layer(*args, **kwargs)

        return _received(node.operation, names, tensors.setdefault, run)

    graph = _graph(model, names)
    walk(graph, graph.inputs, call)
    return keras.Model(model.input, {name: tensors[name] for name in names}, name=f"{model.name}-taps")


def reduced(
    model: keras.Model, names: str | Iterable[str], function: Callable[[str, Any], Any]
) -> Callable[[Any], dict[str, Any]]:
    """Returns a function from images to {name: function(name, tensor)} for the taps of these `names`.

    Each tensor is freed once it is reduced: the intermediates of one block alone are held at a time, and the outputs
    of the layers. What `tap` gives holds all that is asked for at once. No gradient is kept.
    """
    model = model_of(model)
    names = [names] if isinstance(names, str) else list(names)
    check_names(model, names)
    graph = _graph(model, names)

    def run(images):
        found = {}

        def call(node, *args, **kwargs):
            return _received(
                node.operation,
                names,
                lambda name, tensor: found.update({name: function(name, tensor)}),
                lambda **options: node.operation(*args, **kwargs, **options),
            )

        with _without_gradients():
            walk(graph, ops.convert_to_tensor(images, model.input.dtype), call)
        return {name: found[name] for name in names}

    return run


def check_names(model: keras.Model, names: list[str]) -> None:
    """Raises ValueError for the first of `names` that `list_taps` doesn't list, and says what would have worked."""
    known = list_taps(model)
    if not names:
        raise ValueError(f"no name to tap was given; {model.name} has {_summary(known)}")
    for name in names:
        if name in known:
            continue
        close = difflib.get_close_matches(name, known, n=1)
        hint = f" (did you mean {close[0]!r}?)" if close else ""
        raise ValueError(f"{model.name} has no tap {name!r}{hint}; it has {_summary(known)}")


def block_of(model: keras.Model, name: str) -> Tappable | None:
    """Returns the block of `model` that has the tap called `name` within it, or None where no block has."""
    return next((layer for layer in model.layers if name in intermediates_of(layer)), None)


def intermediates_of(layer: keras.layers.Layer) -> dict[str, str]:
    """Returns {tap: intermediate} of what `layer` computes on its way, {} where it is no Tappable called "block_3"."""
    stem, block, number = layer.name.rpartition("block_")
    if not isinstance(layer, Tappable) or not block or not number.isdecimal():
        return {}
    return {f"{stem}{name}_{number}": name for name in layer.intermediates}


def _graph(model, names):
    """Returns the part of `model` that its taps called `names` need."""
    needed = [layer for layer in model.layers if {layer.name, *intermediates_of(layer)}.intersection(names)]
    return keras.Model(model.input, [call_node(model, layer).outputs[0] for layer in needed])


def _received(layer, names, receive, run):
    """Returns the output of `layer`, called by run(**options); its taps among `names` go to receive(name, tensor)."""
    asked = {name: intermediate for name, intermediate in intermediates_of(layer).items() if name in names}
    given = run(intermediates=list(asked.values())) if asked else {"out": run()}
    output = given.pop("out")
    for name, intermediate in asked.items():
        receive(name, given.pop(intermediate))
    if layer.name in names:
        receive(layer.name, output)
    return output


def _unchanged(node, args, kwargs):
    """Returns whether a call takes the very tensors that it took in its model."""
    known = keras.tree.flatten((node.arguments.args, node.arguments.kwargs))
    return all(one is other for one, other in zip(keras.tree.flatten((args, kwargs)), known, strict=True))


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
