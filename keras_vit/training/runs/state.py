"""All that a training needs to go on as if it had never stopped, in one file.

A `.weights.h5` would not do: it leaves out the counters of the random generators, and after a restart dropout
would draw again what it has drawn before.
"""

import dataclasses
import json
import zipfile

import keras
import numpy as np

from keras_vit.files import replacing


@dataclasses.dataclass
class Progress:
    """What has been done: `epochs` completed, one row of metrics for each, and the `best` of these rows.

    `step` more steps were taken, of the epoch under way, and `metrics` is what they had gathered.
    """

    epochs: int = 0
    step: int = 0
    metrics: list = dataclasses.field(default_factory=list)
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


def snapshot(model, progress):
    """Returns copies of all that `save` writes, which stay as they are while `model` goes on."""
    arrays = {key: keras.ops.convert_to_numpy(each) for key, each in variables(model).items()}
    return arrays | {"progress": np.array(json.dumps(dataclasses.asdict(progress)))}


def is_finite(arrays):
    """Tells whether every weight and optimizer slot of a snapshot is a finite number."""
    return all(np.isfinite(each).all() for each in arrays.values() if each.dtype.kind == "f")


def save(path, arrays):
    """Writes a snapshot to `path` (.npz) in one step."""
    with replacing(path) as partial:
        np.savez(partial, **arrays)


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
