"""Options as JSON files hold them, such as a run's options.json, those of older versions too."""

import dataclasses
import json
import os
from pathlib import Path
from typing import Any, TypeVar

from keras_vit import nested, overrides, registry
from keras_vit.training.options import task_of

T = TypeVar("T")
# options of runs and files that are older than the name
RENAMED = {
    "accumulate": "gradient_accumulation",
    "batch": "batch_size",
    "erasing": "random_erasing",
    "repeats": "repeated_augmentation",
    "train_share": "train_fraction",
}


def renamed(values: dict[str, Any]) -> dict[str, Any]:
    """Returns {flat name: value} with today's names of the options, those of the model too."""
    values = {RENAMED.get(key, key): value for key, value in values.items()}
    if isinstance(own := values.get("model_options"), dict) and own and isinstance(values.get("model"), str):
        values["model_options"] = _renamed_fields(values["model"], own)
        if "image_size" in own and values.get("image_size") is None:  # which the model's options could be told once
            values["image_size"] = values["model_options"].pop("image_size")
    return values


def _renamed_fields(model, given):
    """Returns the options of a model that an older version wrote, with today's names of the fields of its family."""
    known = {field.name for field in dataclasses.fields(registry.resolve(model)[1])}
    new = overrides.RENAMED
    return {new[key] if new.get(key) in known else key: value for key, value in given.items()}


def read(path: str | os.PathLike, start: T) -> T:
    """Returns the dataclass `start` with the options in the JSON file `path`, such as a run's options.json.

    Its `output` counts as any option. Raises ValueError where it is none, is of another task, holds what `start` can't
    take, or would start over: what removes a run is to be said each time.
    """
    name = os.fsdecode(path)
    here, there = task_of(start), _loaded(name)
    if here and (task := there.get("task", here["task"])) != here["task"]:
        raise ValueError(f"options {name!r} are of the task {task}, not of {here['task']}")
    try:
        values = renamed(there["options"])
        if unknown := sorted(values.keys() - (names := nested.flat(start)).keys()):
            raise ValueError(f"names {unknown[0]!r}, which is no option{nested.did_you_mean(unknown[0], names)}")
        if values.get("fresh"):
            raise ValueError(
                f"fresh removes what a run has written, and is no option of a file; give {nested.named('fresh')} itself"
            )
        return nested.replace(start, **values)
    except ValueError as error:
        raise ValueError(f"options {name!r}: {error}") from None


def _loaded(name):
    """Returns {"options": {...}, ...} of a file; ValueError, which says what is wrong with it, for any other."""
    wrong = f"options {name!r} is no file of options such as a run's options.json"
    if not Path(name).is_file():  # a pipe or a device would never end
        raise ValueError(f"{wrong}: there is no such file")
    try:
        there = json.loads(Path(name).read_text(encoding="utf-8-sig"), object_pairs_hook=_once)
    except (OSError, ValueError, RecursionError) as error:
        raise ValueError(f"{wrong}: {error}") from None
    if not isinstance(there, dict) or not isinstance(there.get("options"), dict):
        raise ValueError(f'{wrong}: it holds no {{"options": {{"epochs": 20, …}}}}')
    return there


def _once(pairs):
    """Returns the dict of a JSON object; ValueError where a name stands twice, of which JSON would take the last."""
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        raise ValueError(f"{next(name for name in names if names.count(name) > 1)!r} stands there twice")
    return found
