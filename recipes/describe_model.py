"""Describes one model: of the zoo, its size, its options, its published checkpoints; of a run, what was trained.

keras-vit info vit-b16
keras-vit info runs/photos
"""

import dataclasses
import functools
from pathlib import Path
from typing import Annotated

import tyro
from rich.console import Console
from rich.table import Table
from rich.text import Text

from keras_vit import checked, cli, files, registry
from keras_vit.facts import facts

SHOWN = 10  # labels


@checked.options
class Options:
    """Which model to describe."""

    name: tyro.conf.Positional[Annotated[str, tyro.conf.arg(metavar="NAME")]] = tyro.MISSING
    """such as vit-b16, the folder of a run, or a .keras file"""


def describe(options):
    """Prints what is known of the model called `options.name`; ValueError for an unknown name or path."""
    if files.is_path(options.name, registry.list_families()):
        describe_saved(options.name)
    else:
        describe_published(options.name)


def describe_published(name):
    """Prints parameters, options and checkpoints of a model of the zoo; ZooError for an unknown name."""
    known = facts(name)
    console = Console()
    console.print(f"[bold]{name}[/]: {known.parameters:,} parameters, {known.gmacs} GMACs at {known.size}")
    _, config = registry.resolve(name)  # loads TensorFlow, which takes seconds
    table = Table("option", "value", title="options of build", title_justify="left")
    for field in dataclasses.fields(config):
        table.add_row(field.name, Text(str(getattr(config, field.name))))  # whose brackets are no markup
    console.print(table)
    checkpoints = Table("weights=", "top-1", "at", "classes", "licence", "from", title="published checkpoints")
    checkpoints.title_justify = "left"
    for each in known.checkpoints:
        top1, size = (f"{each.top1:.1f} %", f"{each.top1_size} px") if each.top1 else ("–", "–")
        checkpoints.add_row(each.tag, top1, size, str(each.classes), each.licence, each.repository)
    console.print(checkpoints if checkpoints.rows else "no published checkpoint is known")


def describe_saved(path):
    """Prints what a run trained and what came out, and what its model takes and gives; of a .keras file the latter."""
    from keras_vit import saved  # loads TensorFlow, which takes seconds

    run, facts = Path(path), {}
    if saved.is_run(run):
        facts = of_run(run)
    if not saved.is_run(run) or (run / saved.BEST).is_file():
        facts |= of_model(saved.load(path))
    else:
        facts["model"] = "none yet; the best so far is there as soon as an epoch has ended"
    table = Table(show_header=False, title=Text(str(path)), title_justify="left")
    for name, value in facts.items():
        table.add_row(name, Text(str(value)))
    Console().print(table)


def of_run(run: Path) -> dict[str, str]:
    """Returns what the run in the folder `run` was asked for and what came out, in words."""
    from keras_vit import saved
    from keras_vit.training.options_file import renamed

    told = files.read_json(run / saved.OPTIONS)
    asked = renamed(told["options"])
    defaults = {"model", "model_options", "weights", "data", "data_dir", "image_size", "seed"}
    facts = {
        "task": told.get("task", "classify"),
        "network": " ".join([asked["model"], *_pairs(asked.get("model_options") or {})]),
        "began from": asked.get("weights") or "random weights",
        "data": asked["data"],
        "options": " ".join(_pairs({key: each for key, each in asked.items() if key not in defaults and each})),
        "seed": asked.get("seed"),
    }
    if not (run / saved.RESULT).is_file():
        return facts | {"state": "has not ended"}
    found = files.read_json(run / saved.RESULT)
    images = ", ".join(f"{count:,} {split}" for split, count in found.get("images", {}).items())
    return facts | {
        "images": images,
        "best epoch": ", ".join(_numbers(found["best"])),
        "test": ", ".join(_numbers(found["test"])) or "not measured",
        "ended": f"{found.get('ended')}, after {found['seconds']:.0f} s",
    }


def of_model(model) -> dict[str, str]:
    """Returns what a model takes, gives, and carries, in words."""
    from keras_vit import bundle

    carried = bundle.of(model)
    size = "×".join("any" if side is None else str(side) for side in model.input_shape[1:])
    labels = ", ".join(carried.labels[:SHOWN])
    more = f", … {len(carried.labels)} in all" if len(carried.labels) > SHOWN else ""
    given = "a feature map" if isinstance(model.output, dict) else f"{model.output.shape[-1]} outputs"
    prepared = " ".join(_pairs(dict(carried.preprocessing))) if carried.preprocessing else "not told"
    return {
        "origin": carried.origin or "not told",
        "parameters": f"{model.count_params():,}",
        "takes": f"{size} (height, width, channels)",
        "gives": f"{given}{', sigmoids of several labels' if carried.activation == 'sigmoid' else ''}",
        "classes": labels + more if labels else "without names",
        "preprocessing": prepared,
    }


def _pairs(values):
    return [f"{key}={value}" for key, value in values.items()]


def _numbers(row):
    return [f"{name.replace('_', ' ')} {value:.4g}" for name, value in row.items()]


main = functools.partial(cli.run, describe, {"plain": Options}, __doc__)

if __name__ == "__main__":
    main()
