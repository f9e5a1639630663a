"""A search over trainings that take no time: in a test's own process, or in one of several that share it.

python tuning_program.py '{"output": …}'
"""

import json
import math
import sys
import time
import types
from pathlib import Path

from keras_vit.files import write_json
from keras_vit.recipes import tune_classifier
from keras_vit.training.errors import DivergedError
from keras_vit.training.runs.folder import RunFolder

FIXED = dict.fromkeys(("weight_decay", "augment", "depth", "width", "patch"), "fixed")
SPACE = {**FIXED, "learning_rate": "log:1e-4..1e-1"}  # and drop path
BEST = 3e-3  # the learning rate at which the accuracy below is highest


def accuracy_of(options):
    """A landscape whose peak is known: learning rate 0.003 without drop path; more epochs are better."""
    far = abs(math.log10(options.optim.learning_rate / BEST))
    return (
        (1 - 0.2 * far - options.model.options.get("drop_path", 0.0))
        * options.optim.epochs
        / (options.optim.epochs + 1)
    )


def train(options, callbacks=()):
    """Leaves behind what a training of `options` leaves, with the accuracy of the landscape."""
    folder = RunFolder(options.run.output, options)
    if not folder.is_done():
        folder.begin()
        with open(f"{folder.path}.starts", "a") as starts:
            starts.write("x")
    if options.optim.learning_rate > 0.5:
        raise DivergedError("the loss (nan) is no longer a finite number")
    accuracy = accuracy_of(options)
    told = {"test": {"accuracy": accuracy - 0.01}, "parameters": 1000 + options.optim.epochs, "seconds": 1.5}
    write_json(folder.result, told)
    return types.SimpleNamespace(best={"val_accuracy": accuracy, "val_loss": 1 - accuracy})


def starts_of(output, trial):
    """How often the training of a trial was begun."""
    return len(Path(output, "trials", f"{trial}.starts").read_text())


def value(row):
    return row.best["val_accuracy"]


class Killed(BaseException):
    """What no handler of the search catches, as it would not a SIGKILL."""


def pausing(options, callbacks=()):
    """The same, which takes 10 minutes the first time that it makes trial 1, and 0.2 s else."""
    slow = Path(options.run.output).name == "1" and not Path(options.run.output).exists()
    result = train(options)
    time.sleep(600 if slow else 0.2)
    return result


if __name__ == "__main__":
    search = tune_classifier.smoke().replace(**json.loads(sys.argv[1]))
    tune_classifier.tune(search, pausing)
