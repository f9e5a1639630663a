"""Options of a model as a person gives them: their names, types and ranges, in one place for all families."""

import dataclasses
import math
from collections.abc import Mapping
from fractions import Fraction
from typing import Any

from keras_vit.checked import checked, hints
from keras_vit.nested import did_you_mean

RENAMED = {"hidden": "mlp_dim", "token_hidden": "token_mlp_dim"}  # fields of our families, before and now
# the names of other libraries, and what of ours they may mean; the first that the family has is told
_ELSEWHERE = {
    **dict.fromkeys(("num_classes", "n_classes", "nb_classes", "num_labels"), ("classes",)),
    **dict.fromkeys(("img_size", "input_size", "image_shape"), ("image_size",)),
    **dict.fromkeys(("in_chans", "in_channels", "num_channels", "input_channels"), ("channels",)),
    **dict.fromkeys(("drop_path_rate", "stochastic_depth", "stochastic_depth_rate"), ("drop_path",)),
    **dict.fromkeys(("drop_rate", "dropout_rate", "proj_drop_rate", "hidden_dropout_prob"), ("dropout",)),
    **dict.fromkeys(("attn_drop_rate", "attn_drop", "attention_probs_dropout_prob"), ("attention_dropout",)),
    **dict.fromkeys(("embed_dim", "hidden_size", "hidden_dim", "dim", "projection_dim"), ("width",)),
    **dict.fromkeys(("num_layers", "num_hidden_layers", "depths", "layers"), ("depth", "blocks")),
    **dict.fromkeys(("num_heads", "num_attention_heads", "n_heads"), ("heads",)),
    **dict.fromkeys(("intermediate_size", "hidden_features"), ("mlp_dim",)),
    **dict.fromkeys(("patch_size", "patch_shape"), ("patch",)),
    **dict.fromkeys(("global_pool", "pooling", "pool_type"), ("pool",)),
    **dict.fromkeys(("init_values", "layer_scale_init_value", "layerscale_value"), ("layer_scale",)),
    **dict.fromkeys(("layer_norm_eps", "norm_eps", "eps"), ("epsilon",)),
    **dict.fromkeys(("window_size",), ("window",)),
    **dict.fromkeys(("reg_tokens", "num_register_tokens"), ("registers",)),
}
_SAID = {
    **dict.fromkeys(("pretrained", "checkpoint", "checkpoint_path"), "weights='TAG' or 'FILE' gives it weights"),
    "mlp_ratio": "mlp_dim is the width of an MLP, that ratio times the width of a token",
    "include_top": "classes=0 builds the backbone, without a head",
    "input_shape": "image_size=(height, width) and channels= say what it takes",
    "input_tensor": "call the model on the tensor",
    "classifier_activation": "its head gives logits; keras.layers.Softmax() makes them probabilities",
}
_SHARES = {"dropout", "drop_path", "attention_dropout"}
_POSITIVE = {"epsilon", "rotary_temperature"}
_ONE_OR_MORE = {"width", "heads", "mlp_dim", "token_mlp_dim", "channels", "kernel", "patch", "groups", "window"}


def as_declared(name: str, config: Any, overrides: Mapping[str, Any]) -> dict[str, Any]:
    """Returns `overrides` of the fields of the dataclass `config`, of the model called `name`, as those declare them.

    Numbers of NumPy become Python's, lists become tuples. Raises ValueError for a name that `config` lacks, with the
    name that it goes by here, and for a value of another type, one that isn't finite, or one out of range.
    """
    known = [field.name for field in dataclasses.fields(config) if field.init]
    if unknown := sorted(set(overrides) - set(known)):
        called = ", ".join(map(repr, unknown))
        raise ValueError(f"{name} has no option {called}{_hint(unknown[0], known)}; it has {', '.join(known)}")
    declared = hints(type(config))
    return {option: _value(name, option, value, declared.get(option, Any)) for option, value in overrides.items()}


def followed(config: Any, changes: Mapping[str, Any]) -> dict[str, Any]:
    """Returns `changes` of the fields of the dataclass `config`, and what follows a `width` that is among them.

    `mlp_dim` keeps its ratio to the width. `heads` stays where it divides the width, else it becomes the number that
    does and keeps the width of a head most nearly; those of stages go with the first. What `changes` gives wins.
    """
    width, mlp_dim, heads = (getattr(config, name, None) for name in ("width", "mlp_dim", "heads"))
    wanted = changes.get("width", width)
    if wanted == width:
        return dict(changes)
    follow: dict[str, Any] = {}
    if isinstance(mlp_dim, int):
        follow["mlp_dim"] = max(1, round(Fraction(mlp_dim * wanted, width)))
    first = heads[0] if isinstance(heads, tuple) and heads else heads
    if first and wanted % first:
        count = nearest_divisors(wanted, Fraction(first * wanted, width))[0]
        follow["heads"] = tuple(round(each * count / first) for each in heads) if isinstance(heads, tuple) else count
    return {**follow, **changes}


def nearest_divisors(number: int, wanted: int | Fraction) -> list[int]:
    """Returns the numbers that divide `number`, the nearest to `wanted` first."""
    end = min(math.isqrt(number), 2**16)  # all, of a number that fits any memory
    small = [each for each in range(1, end + 1) if number % each == 0]
    return sorted({*small, *(number // each for each in small)}, key=lambda each: (abs(each - wanted), each))


def _hint(unknown, known):
    ours = RENAMED.get(unknown)
    if ours in known:
        return f" (it is called {ours!r} now)"
    if unknown in _SAID:
        return f" ({_SAID[unknown]})"
    ours = next((each for each in _ELSEWHERE.get(unknown, ()) if each in known), None)
    return f" (it is called {ours!r} here)" if ours else did_you_mean(unknown, known)


def _value(name, option, value, hint):
    """Returns `value` as the type `hint` says, which `checked` knows to refuse NaN, if it is in the option's range."""
    if option == "image_size" and value is None:
        return None  # a family that can't take any size says why itself
    called = f"{option} of {name}"
    value = checked(called, value, hint)
    numbers = [x for x in (value if isinstance(value, tuple) else (value,)) if type(x) in (int, float)]
    least = 1 if option in _ONE_OR_MORE else 0
    if any(type(x) is int and x < least for x in numbers):
        raise ValueError(f"{called} is at least {least}, not {value!r}")
    if option in _SHARES and not all(0 <= x < 1 for x in numbers):
        raise ValueError(f"{called} is a share from 0 to below 1, not {value!r}")
    if option in _POSITIVE and not all(x > 0 for x in numbers):
        raise ValueError(f"{called} is above 0, not {value!r}")
    return value
