"""What a search may change: a family's `space`, what all families share, and what the command line adds."""

import ast
import dataclasses
from typing import Any

from keras_vit import nested, registry
from keras_vit.backend import load
from keras_vit.heads import HEADS
from keras_vit.spaces import Range, Times
from keras_vit.training.options import Options

kt = load("keras_tuner")

TRAINING = {
    "learning_rate": Range(1e-4, 1e-2, log=True),
    "weight_decay": Range(1e-3, 0.3, log=True),
    "augment": ("none", "flip-crop", "random-resized-crop", "randaugment", "three-augment"),
}
FINE_TUNING = {"learning_rate": Range(1e-5, 1e-3, log=True), "layer_decay": (0.65, 0.75, 0.85)}
FIXED = {
    "model",
    "model_options",
    "data",
    "data_dir",
    "weights",
    "epochs",
    "warmup_epochs",
}  # and what changes no result
FORMS = "depth=2,4,6 or drop_path=0..0.3 or learning_rate=log:1e-4..1e-2 or width=x0.5,x1,x2 or augment=fixed"


@dataclasses.dataclass(frozen=True)
class Axis:
    """One direction of a search: a range of numbers, or choices {text: {option: value}}."""

    name: str
    default: object  # the choice or number of the base options
    choices: dict | None = None
    low: float = 0.0
    high: float = 0.0
    log: bool = False

    @property
    def whole(self) -> bool:
        """Whether only whole numbers are meant."""
        return all(isinstance(each, int) for each in (self.default, self.low, self.high))

    def changes(self, value: Any) -> dict[str, Any]:
        """Returns {option: what it becomes} at `value`."""
        if self.choices is not None:
            return self.choices[value]
        # 4 digits: enough, readable, and the same whether a number came through a file or as a float32
        return {self.name: int(value) if self.whole else float(f"{value:.4g}")}

    def declare(self, parameters: Any) -> None:
        """Adds the axis to the keras_tuner.HyperParameters `parameters`."""
        if self.choices is not None:
            parameters.Choice(self.name, list(self.choices), default=self.default, ordered=False)
        else:
            kind = parameters.Int if self.whole else parameters.Float
            kind(self.name, self.low, self.high, sampling="log" if self.log else "linear", default=self.default)


def axes(base: Options, given: dict | None = None) -> list[Axis]:
    """Returns the Axis of each entry of the space of `base.model`, changed by the entries `given`.

    `base` are the options of a training; they are the default of each axis, so that what is searched holds them.
    `given` maps names to tuples, Range, Times or text in one of `FORMS`. A checkpoint fixes the shape of its
    model: with weights only the ranges of the family's space count, and layer decay joins them.
    Raises ValueError for an entry that names no option, or can't hold the option's value.
    """
    family, config = registry.resolve(base.model.name, base.model.options)
    own = {key: each for key, each in family.space.items() if base.model.weights is None or isinstance(each, Range)}
    common = {key: each for key, each in _common(base).items() if key in base.flat()}
    entries = common | own | {key: parse(key, each) for key, each in (given or {}).items()}
    found = [_axis(key, each, base, config) for key, each in entries.items() if each is not None]
    found = [axis for axis in found if axis.choices is None or len(axis.choices) > 1]
    if not found:
        raise ValueError(
            f"nothing is left to search for {base.model.name}; give a {nested.named('space')} such as {FORMS}"
        )
    return found


def _common(base):
    """Returns the entries that the family of `base.model` has no part in."""
    model = base.model
    common = TRAINING if model.weights is None else TRAINING | FINE_TUNING
    if model.lora is not None or model.freeze in HEADS:  # what has no layers to decay over
        common = {key: each for key, each in common.items() if key != "layer_decay"}
    if not base.optim.weight_decay:  # 0, which no logarithm holds
        common = common | {"weight_decay": dataclasses.replace(TRAINING["weight_decay"], low=0.0, log=False)}
    return common


def parameters(axes: list[Axis]) -> Any:
    """Returns the keras_tuner.HyperParameters of `axes`."""
    declared = kt.HyperParameters()
    for axis in axes:
        axis.declare(declared)
    return declared


def applied(axes: list[Axis], values: dict, base: Options) -> Options:
    """Returns the options `base` changed to `values`, {name of an axis: its choice or number}."""
    changes: dict = {}
    for axis in axes:
        changes |= axis.changes(values[axis.name])
    known = base.flat()
    model_options = base.model.options | {key: each for key, each in changes.items() if key not in known}
    own = {key: each for key, each in changes.items() if key in known}
    return base.replace(**own, model_options=model_options)


def parse(name: str, entry: Any) -> tuple | Range | Times | None:
    """Returns the tuple, Range or Times that `entry` means, None for "fixed"; ValueError for any other."""
    if isinstance(entry, (Range, Times)) or entry == "fixed":
        return None if entry == "fixed" else entry
    if isinstance(entry, str):
        entry = _parse_text(name, entry)
    if isinstance(entry, list):
        entry = tuple(entry)
    if isinstance(entry, (Range, Times)) or (isinstance(entry, tuple) and entry):
        return entry
    raise ValueError(f"{name}={entry!r} is no space to search in; give such as {FORMS}")


def _parse_text(name, text):
    try:
        if ".." in text:
            low, _, high = text.removeprefix("log:").partition("..")
            return Range(_number(low), _number(high), log=text.startswith("log:"))
        parts = text.split(",")
        if all(part.startswith("x") for part in parts):
            return Times(tuple(float(part[1:]) for part in parts))
    except ValueError as error:
        raise ValueError(f"{name}={text} is no space to search in ({error}); give such as {FORMS}") from error
    return tuple(map(_literal, parts)) if len(parts) > 1 else text


def _number(text):
    return int(text) if text.lstrip("-").isdigit() else float(text)


def _literal(text):
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return text


def _axis(name, entry, base, config):
    default = _default(name, base, config)
    if isinstance(entry, Range):
        return _range(name, entry, default)
    if isinstance(entry, Times):
        choices = [_scaled(name, entry, factor, base, config) for factor in sorted({*entry.factors, 1})]
    else:
        choices = [{name: each} for each in _joined(entry, default)]
    choices = [each for each in choices if _fits(each, base, config)]
    return Axis(name, str(default), {str(each[name]): each for each in choices})


def _default(name, base, config):
    fixed, own = FIXED | nested.irrelevant(base), base.flat()
    if name in fixed:
        raise ValueError(f"{name} is no option to search over; search once for each value of it")
    if own.get(name) is not None or (name in own and not hasattr(config, name)):
        return own[name]
    if not hasattr(config, name):
        known = {*own, *(field.name for field in dataclasses.fields(config))}
        raise ValueError(
            f"{name!r} in the space of {base.model.name} is neither an option of training nor of the model; "
            f"these are {', '.join(sorted(known - fixed))}"
        )
    return getattr(config, name)


def _range(name, entry, default):
    if isinstance(default, bool) or not isinstance(default, (int, float)):
        raise ValueError(f"{name} is {default!r}, which no range holds; give choices such as {name}={default},0.5,1.0")
    low, high = min(entry.low, default), max(entry.high, default)
    if entry.log and low <= 0:
        raise ValueError(f"{name} is {default}, which no logarithmic range holds; give {name}=0..{entry.high:g}")
    return Axis(name, default, low=low, high=high, log=entry.log)


def _joined(choices, default):
    """Returns the choices with the default among them, numbers in order."""
    found = choices if default in choices else (*choices, default)
    if all(isinstance(each, (int, float)) for each in found):
        return sorted(set(found))
    return dict.fromkeys(found)


def _scaled(name, entry, factor, base, config):
    own = registry.family(registry.split(base.model.name)[0]).space.get(name)
    also = entry.also or getattr(own, "also", ())  # factors alone scale what the family scales with the option
    return {each: _times(_default(each, base, config), factor) for each in (name, *also)}


def _times(value, factor):
    if isinstance(value, (tuple, list)):
        return tuple(_times(each, factor) for each in value)
    if value is None or isinstance(value, (bool, str)):
        return value
    return max(1, round(value * factor)) if isinstance(value, int) else value * factor


def _fits(change, base, config):
    """Whether patches fill the images, where `change` is one of their size: others would fail one by one."""
    if "patch" not in change or (size := _default("image_size", base, config)) is None:
        return True
    patch, size = ((each, each) if isinstance(each, int) else each for each in (change["patch"], size))
    return all(side % step == 0 for side, step in zip(size, patch, strict=True)) or change["patch"] == config.patch
