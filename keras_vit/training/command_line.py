"""Makes the command line of a recipe from its dataclass of options."""

import argparse
import ast
import dataclasses
import sys
from typing import Annotated

from keras_vit.backend import load
from keras_vit.training.callbacks import DivergedError
from keras_vit.training.cluster import WorkerLostError

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


def parse(presets, description, arguments=None):
    """Returns the options of the preset named in `arguments`, those given beside it changed.

    `presets` maps names to instances of one dataclass, the first the default. Where it has the fields `model` and
    `model_options`, model options add to the preset's own, which no other model than the preset's is given.
    """
    first = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    first.add_argument("--preset", choices=list(presets), default=next(iter(presets)))
    chosen, rest = first.parse_known_args(arguments)
    preset = presets[chosen.preset]
    has_model = hasattr(preset, "model_options")
    module = sys.modules["__main__"].__spec__
    options = tyro.cli(
        type(preset),
        prog=f"python -m {module.name}" if module else None,
        description=f"{description}\n\n--preset {{{','.join(presets)}}} chooses the options to start from.",
        args=rest,
        default=dataclasses.replace(preset, model_options={}) if has_model else preset,
    )
    if not has_model:
        return options
    own = preset.model_options if options.model == preset.model else {}
    return dataclasses.replace(options, model_options=own | options.model_options)


def run(train, presets, description):
    """Trains, or what `train` does, as the command line says."""
    options = parse(presets, description)
    answering(lambda: train(options))


def answering(work):
    """Calls `work()`; what can't be done is a sentence on stderr, with exit status 2 for input that can't be used."""
    try:
        return work()
    except (DivergedError, WorkerLostError) as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(1)
    except (ValueError, OSError, ImportError) as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        print("interrupted; the same command goes on from the last completed epoch", file=sys.stderr)
        sys.exit(130)
