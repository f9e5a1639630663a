"""Makes the command line of a recipe from its dataclass of options."""

import argparse
import ast
import dataclasses
import inspect
import json
import sys
import types
import typing
from pathlib import Path
from typing import Annotated

from keras_vit.backend import load
from keras_vit.files import WriteError
from keras_vit.training.callbacks import DivergedError
from keras_vit.training.devices.cluster import WorkerLostError

tyro = load("tyro")


def _key_values(words):
    pairs = [word.partition("=") for word in words]
    if wrong := [key + value for key, equals, value in pairs if not (key and equals)]:
        raise ValueError(f"{wrong[0]!r} is not of the form key=value")
    return {key: _value(value) for key, _, value in pairs}


def _value(word):
    try:
        return ast.literal_eval(word)
    except (ValueError, SyntaxError):
        return word  # a string needs no quotes


KeyValues = Annotated[
    dict[str, object],
    tyro.constructors.PrimitiveConstructorSpec(
        nargs="*",
        metavar="KEY=VALUE",
        instance_from_str=_key_values,
        is_instance=lambda value: isinstance(value, dict),
        str_from_instance=lambda value: [f"{key}={each}" for key, each in value.items()],
    ),
]


def parse(presets, description, arguments=None, about=None):
    """Returns the options of the preset or the file of options named in `arguments`, those given beside it changed.

    `presets` maps names to instances of one dataclass, the first the default. `about` maps the same names to what is
    shown of a preset with --help. Classes that add fields to the dataclass are the groups of the help. Where it has the
    fields `model` and `model_options`, model options add to the preset's own, which no other model is given.
    """
    chosen, start, rest = _start(presets, arguments)
    module = sys.modules["__main__"].__spec__
    has_model = hasattr(start, "model_options")
    given = tyro.cli(
        _grouped(type(start), dataclasses.replace(start, model_options={}) if has_model else start),
        prog=f"python -m {module.name}" if module else None,
        description=_description(description, presets, chosen, about),
        args=rest,
        config=(tyro.conf.FlagCreatePairsOff,),
    )
    groups = {name: getattr(given, owner.__name__.lower()) for name, owner in _owners(type(start)).items()}
    options = type(start)(**{name: getattr(group, name) for name, group in groups.items()})
    if not has_model:
        return options
    own = start.model_options if options.model == start.model else {}
    return dataclasses.replace(options, model_options=own | options.model_options)


def _start(presets, arguments):
    """Returns the name of the preset, the options to start from, and the arguments that remain."""
    first = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    either = first.add_mutually_exclusive_group()
    either.add_argument("--preset", choices=list(presets), default=next(iter(presets)))
    either.add_argument("--options", metavar="FILE")
    chosen, rest = first.parse_known_args(arguments)
    start = presets[chosen.preset]
    if chosen.options is not None:
        try:
            start = read_options(chosen.options, start)
        except ValueError as error:
            first.exit(2, f"error: {error}\n")
    return chosen.preset, start, rest


def read_options(path, start):
    """Returns the dataclass `start` with the options in the JSON file `path`, such as a run's options.json.

    Raises ValueError where it is none, or names an option that `start` doesn't have.
    """
    try:
        values = json.loads(Path(path).read_text(encoding="utf-8"))["options"]
        known = {field.name for field in dataclasses.fields(start)}
        unknown = sorted(values.keys() - known)
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise ValueError(f"options {str(path)!r} is no file of options such as a run's options.json: {error}") from None
    if unknown:
        raise ValueError(f"options {str(path)!r} names {', '.join(map(repr, unknown))}, which is no option")
    values = {key: tuple(value) if isinstance(value, list) else value for key, value in values.items()}
    return dataclasses.replace(start, **values)


def _description(description, presets, chosen, about):
    text = f"{description}\n\n--preset {{{','.join(presets)}}} or --options FILE, such as a run's options.json"
    text += ", chooses the options to start from."
    return f"{text}\n\nThe preset {chosen}: {about[chosen]}" if about else text


def _owners(kind):
    """Returns {field: the class that added it, or had it anew} of the dataclass `kind`."""
    return {name: each for each in reversed(kind.__mro__) for name in inspect.get_annotations(each)}


def _grouped(kind, start):
    """Returns a dataclass of dataclasses for tyro, one for each class that adds fields to `kind`, as in `start`."""
    owner, fields = _owners(kind), []
    for group in (each for each in kind.__mro__ if each in owner.values()):
        hints = typing.get_type_hints(group, include_extras=True)
        shown = []
        for field in dataclasses.fields(group):
            value = getattr(start, field.name)
            # what a base class brings, another group shows
            hint = _shown(hints[field.name], value) if owner[field.name] is group else _hidden(hints[field.name])
            shown.append((field.name, hint, dataclasses.field(default_factory=lambda value=value: value)))
        # a subclass, since tyro finds the texts of fields in the source of their class
        made = dataclasses.make_dataclass(group.__name__, shown, bases=(group,), frozen=True, kw_only=True)
        made.__doc__ = group.__doc__
        default = dataclasses.field(default_factory=made)
        fields.append((group.__name__.lower(), tyro.conf.OmitArgPrefixes[made], default))
    return dataclasses.make_dataclass(kind.__name__, fields, frozen=True, kw_only=True)


def _hidden(hint):
    return Annotated[hint, tyro.conf.Fixed, tyro.conf.Suppress]


def _shown(hint, value):
    """Returns the type `hint` with what the help shows of it: one line, so that all options fit two screens."""
    alternatives = typing.get_args(hint) if isinstance(hint, types.UnionType) else (hint,)
    plain = {int: "N", float: "X", str: "TEXT", tuple[int, int]: "N N"}
    words = [plain[each] for each in alternatives if each in plain] if hint is not KeyValues else []
    default = "" if value is None or value is False or value == {} else f"({value})"
    return Annotated[hint, tyro.conf.arg(metavar="|".join(words) or None, help_behavior_hint=default)]


def run(train, presets, description, about=None):
    """Trains, or what `train` does, as the command line says."""
    options = parse(presets, description, about=about)
    answering(lambda: train(options))


def answering(work):
    """Calls `work()`; what can't be done is a sentence on stderr, with exit status 2 for input that can't be used."""
    try:
        return work()
    except (DivergedError, WorkerLostError, WriteError) as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(1)
    except (ValueError, OSError, ImportError) as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        print("interrupted; the same command goes on from the last saved state", file=sys.stderr)
        sys.exit(130)
