"""All that a training needs to go on as if it had never stopped, in one file.

A `.weights.h5` would not do: it leaves out the counters of the random generators, and after a restart dropout
would draw again what it has drawn before.
"""

import dataclasses
import json
import zipfile

import keras
import numpy as np

from keras_vit.training.files import replacing


@dataclasses.dataclass
class Progress:
    """What has been done: `epochs` completed, one row of metrics for each, and the `best` of these rows."""

    epochs: int = 0
    rows: list = dataclasses.field(default_factory=list)
    best: dict | None = None
    seconds: float = 0.0
    skipped: list = dataclasses.field(default_factory=list)  # ids of images that could not be read
    started: str | None = None  # when, in UTC

    def history(self):
        """Returns the keras History of all these epochs, those before a restart as well."""
        history = keras.callbacks.History()
        history.epoch = [row["epoch"] - 1 for row in self.rows]
        names = [name for name in self.rows[0] if name != "epoch"]
        history.history = {name: [row[name] for row in self.rows] for name in names}
        return history


def variables(model):
    """Returns {key: variable} of everything that training changes: weights, random counters, optimizer slots.

    The keys count, because Keras numbers the names of layers through the whole process.
    """
    found = {f"model_{i}": each for i, each in enumerate(model.variables)}
    return found | {f"optimizer_{i}": each for i, each in enumerate(model.optimizer.variables)}


def is_finite(model):
    """Tells whether every weight and optimizer slot of `model` is a finite number."""
    arrays = map(keras.ops.convert_to_numpy, variables(model).values())
    return all(np.isfinite(each).all() for each in arrays if each.dtype.kind == "f")


def save(path, model, progress):
    """Writes the variables of `model` and `progress` to `path` (.npz) in one step."""
    arrays = {key: keras.ops.convert_to_numpy(each) for key, each in variables(model).items()}
    with replacing(path) as partial:
        np.savez(partial, progress=json.dumps(dataclasses.asdict(progress)), **arrays)


def restore(path, model):
    """Fills the variables of `model` from `path` and returns the Progress; ValueError where they don't fit."""
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = dict(file)
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise ValueError(f"{path} is damaged ({error}); start over with fresh") from error
    progress = Progress(**json.loads(str(arrays.pop("progress"))))
    ours = variables(model)
    if {key: each.shape for key, each in arrays.items()} != {key: tuple(v.shape) for key, v in ours.items()}:
        raise ValueError(f"{path} holds the state of another model; start over with fresh")
    for key, variable in ours.items():
        variable.assign(arrays[key])
    return progress
