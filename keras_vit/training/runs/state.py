"""All that a training needs to go on as if it had never stopped, in one file.

A `.weights.h5` would not do: it leaves out the counters of the random generators, and after a restart dropout
would draw again what it has drawn before.
"""

import dataclasses
import json
import os
import re
import shutil
import zipfile
from pathlib import Path
from typing import Any

import keras
import numpy as np

from keras_vit import checked
from keras_vit.files import replacing
from keras_vit.nested import named

FORMAT = 3  # of what `save` writes; the first had no number


class StateError(ValueError):
    """A state that a training can't go on from; the message says why."""


class DamagedError(StateError):
    """A state whose file is not as it was written."""


@dataclasses.dataclass
class Progress:
    """What has been done: `epochs` completed, one row of numbers for each, and the `best` of these rows.

    `step` more steps were taken, of the epoch under way, and `metrics` is what they had gathered.
    """

    epochs: int = 0
    step: int = 0
    metrics: list = dataclasses.field(default_factory=list)
    rows: list = dataclasses.field(default_factory=list)
    best: dict[str, float] | None = None
    seconds: float = 0.0
    skipped: list = dataclasses.field(default_factory=list)  # ids of images that could not be read
    started: str | None = None  # when, in UTC
    # the number of epochs that the learning rate's schedule was made for, and what was done when each began
    schedules: list = dataclasses.field(default_factory=list)

    def follow(self, epochs: int, before: int) -> int | None:
        """Notes that the training goes on to `epochs`; returns how many it went on to until now, None for the same.

        `before` is that number in states of versions that didn't note it.
        """
        if not self.schedules:
            self.schedules = [{"epochs": before, "after_epoch": 0, "after_step": 0}]
        before = self.schedules[-1]["epochs"]
        if before == epochs:
            return None
        self.schedules.append({"epochs": epochs, "after_epoch": self.epochs, "after_step": self.step})
        return before

    def moment(self) -> str:
        """Returns where the training stands, in words."""
        return f"step {self.step} of epoch {self.epochs + 1}" if self.step else f"epoch {self.epochs}"


def variables(model: keras.Model, optimizer: keras.optimizers.Optimizer) -> dict[str, keras.Variable]:
    """Returns everything that training changes by its path: weights, random counters, optimizer slots.

    Numbers that Keras gives to seed generators and to the optimizer differ between processes and are left out. Where
    two variables have one path, as those of a student and its teacher, the second one's ends in "#2".
    """
    found: dict[str, keras.Variable] = {}
    for variable in model.variables:
        path = re.sub(r"seed_generator_\d+", "seed_generator", variable.path)
        found[_unique(f"model/{path}", found)] = variable
    for variable in optimizer.variables:
        found[_unique(f"optimizer/{variable.path.partition('/')[2]}", found)] = variable
    return found


def _unique(key, taken):
    count = 1 + sum(each == key or each.startswith(f"{key}#") for each in taken) if key in taken else 1
    return key if count == 1 else f"{key}#{count}"


def snapshot(model: keras.Model, optimizer: keras.optimizers.Optimizer, progress: Progress) -> dict[str, np.ndarray]:
    """Returns copies of all that `save` writes, which stay as they are while `model` goes on."""
    arrays = {key: keras.ops.convert_to_numpy(each) for key, each in variables(model, optimizer).items()}
    return arrays | {"progress": np.array(json.dumps({"format": FORMAT, **dataclasses.asdict(progress)}))}


def is_finite(arrays: dict[str, np.ndarray]) -> bool:
    """Returns whether every weight and optimizer slot of a snapshot is a finite number."""
    return all(np.isfinite(each).all() for each in arrays.values() if each.dtype.kind == "f")


def save(path: Path, arrays: dict[str, Any], earlier: Path | None = None) -> None:
    """Writes a snapshot to `path` (.npz) in one step; what was there goes to `earlier`, if that is given."""
    with replacing(path) as partial:
        np.savez(partial, **arrays)
        if earlier is not None and path.exists():
            _keep(path, earlier)


def _keep(path, earlier):
    """Lets `earlier` be the file at `path`, which stays, so that a kill at any moment leaves one at `path`."""
    with replacing(earlier) as partial:
        partial.unlink()
        try:
            os.link(path, partial)
        except OSError:  # a file system without links
            shutil.copyfile(path, partial)


def read(path: Path) -> tuple[dict[str, np.ndarray], Progress]:
    """Returns the arrays and the Progress that `save` wrote to `path`; StateError where it isn't whole."""
    try:
        with zipfile.ZipFile(path) as archive:
            if (broken := archive.testzip()) is not None:  # NumPy looks at what it reads alone
                raise DamagedError(f"{path} is damaged (its part {broken!r} is not what was written)")
        with np.load(path, allow_pickle=False) as file:
            arrays = dict(file)
        if "progress" not in arrays:
            raise DamagedError(f"{path} is damaged (it doesn't tell where the training stood)")
        told = json.loads(str(arrays.pop("progress")))
        form = told.pop("format", 1)
    except PermissionError as error:
        raise StateError(f"{path} can't be read: {error.strerror}") from error
    except DamagedError:
        raise
    except Exception as error:  # bytes that nobody wrote make zipfile, NumPy and JSON raise anything
        raise DamagedError(f"{path} is damaged ({error or type(error).__name__})") from error
    if isinstance(form, int) and form > FORMAT:
        raise StateError(
            f"{path} is of a newer version of keras_vit, in format {form}; this version reads formats up to {FORMAT}: "
            "update it"
        )
    return arrays, _progress(path, told)


def _progress(path, told):
    try:
        progress = Progress(**told)
        checked.check(progress)
        if len(progress.rows) != progress.epochs or progress.step < 0:
            raise ValueError(f"{len(progress.rows)} rows of {progress.epochs} epochs and {progress.step} steps")
    except (TypeError, ValueError) as error:
        raise DamagedError(f"{path} is damaged (it doesn't tell where the training stood: {error})") from error
    return progress


def fill(path: Path, arrays: dict[str, np.ndarray], model: keras.Model, optimizer: keras.optimizers.Optimizer) -> None:
    """Fills the variables from the `arrays` of the state at `path`; StateError where they don't fit, changing none."""
    ours = variables(model, optimizer)
    if arrays.keys() != ours.keys():
        arrays = _by_position(arrays, ours) or {}
    if {key: each.shape for key, each in arrays.items()} != {key: tuple(v.shape) for key, v in ours.items()}:
        raise StateError(f"{path} holds the state of another model; start over with {named('fresh')}")
    for key, variable in ours.items():
        variable.assign(arrays[key])


def _by_position(arrays, ours):
    """Returns `arrays` by our keys if they differ in Keras' own numbers alone, or were saved without paths; else None.

    Keras counts the names of unnamed layers through the whole process. States without paths, which were written once,
    have the keys model_0, model_1, ..., optimizer_0, ..., and no rate that a callback has set, which is our last.
    """
    if re.fullmatch(r"model_\d+", next(iter(arrays), "")):
        last = next(reversed(ours))
        by_group = sorted(arrays, key=lambda key: (key.partition("_")[0], int(key.partition("_")[2])))
        kinds = [key.partition("_")[0] for key in by_group]
        if kinds != [key.partition("/")[0] for key in ours][:-1]:
            return None
        return dict(zip(ours, map(arrays.get, by_group), strict=False)) | {last: np.asarray(ours[last])}
    plain = [[re.sub(r"_\d+", "", key) for key in each] for each in (arrays, ours)]
    return dict(zip(ours, arrays.values(), strict=True)) if plain[0] == plain[1] else None
