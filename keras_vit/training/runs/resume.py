"""Where a run goes on: at its last state, or at the one before where the last is damaged."""

import dataclasses
import os
import warnings
import zipfile
from pathlib import Path
from typing import NamedTuple

import numpy as np

from keras_vit.nested import named
from keras_vit.training.context import Training
from keras_vit.training.optim.optimizers import schedule_of
from keras_vit.training.runs import images, state
from keras_vit.training.runs.folder import RunError, RunFolder
from keras_vit.training.task import Learner


class Found(NamedTuple):
    """A state that is whole: its file, what it holds, and where the training stood."""

    path: Path
    arrays: dict[str, np.ndarray]
    progress: state.Progress


def find(folder: RunFolder) -> Found | None:
    """Returns the newest state in `folder` that is whole, with a warning if that isn't the last; None for none saved.

    A state is whole only beside the best model that it names, which the end of the training needs. Raises RunError
    where none is.
    """
    if not folder.has_state():
        return None
    try:
        return _whole(folder, folder.state)
    except state.DamagedError as error:
        if folder.is_done() or not folder.earlier.exists():
            raise RunError(f"{error}; start over with {named('fresh')}") from error
        try:
            found = _whole(folder, folder.earlier)
        except state.DamagedError as other:
            raise RunError(
                f"{error}, and so is the state before it: {other}; start over with {named('fresh')}"
            ) from other
        where = found.progress.moment()
        warnings.warn(f"{error}; the run goes on from the state before it, that after {where}", stacklevel=2)
        return found


def go_on(training: Training, found: Found) -> None:
    """Lets a training go on from the state that was found, says where, and makes its folder ready.

    Raises ValueError, and changes nothing, where its options, its images or its model don't allow that.
    """
    options, folder, progress = training.options, training.folder, training.progress
    folder.check_done(progress.epochs)
    images.check(folder, training.source, progress.skipped)
    if progress.step % options.devices.steps_per_execution:
        raise ValueError(
            f"{named('steps_per_execution')} {options.devices.steps_per_execution} does not divide the {progress.step} "
            f"steps of epoch {progress.epochs + 1} that are done; 1 does, until the epoch ends"
        )
    before = progress.follow(options.optim.epochs, folder.length())
    with training.devices.scope():
        fill(folder, found, training.learner)
    folder.begin()
    if progress.epochs < options.optim.epochs:
        _tell(training, before)


def fill(folder: RunFolder, found: Found, learner: Learner) -> None:
    """Fills the variables of a training from the state that was found; ValueError where it is another model's."""
    state.fill(found.path, found.arrays, learner.model, learner.optimizer)
    if found.path != folder.state:
        os.replace(found.path, folder.state)  # else the next state would keep the damaged one as that before it


def _tell(training, before):
    """Prints where a training goes on; `before` is how many epochs it was to have until now, None for as many."""
    optim, progress, monitor = training.options.optim, training.progress, training.options.task.monitor
    where = f"epoch {progress.epochs + 1} of {optim.epochs}"
    if progress.step:  # the last of them may be done, and the validation not
        where += f", step {min(progress.step + 1, training.steps)} of {training.steps}"
    told = f"{training.folder.path} goes on at {where}"
    if progress.best is not None:
        told += f", with the best so far {monitor.describe(progress.best)} of epoch {progress.best['epoch']}"
    print(told, flush=True)
    if before is not None:
        print(f"it was a run of {before} epochs and is one of {optim.epochs}: {_rates(training, before)}", flush=True)


def _rates(training, before):
    """Returns in words what the schedule of other epochs than `before` makes of the learning rate."""
    optim, progress, optimizer = training.options.optim, training.progress, training.learner.optimizer
    now = f"{float(optimizer.learning_rate):.2g}"
    if float(optimizer.set_rate) >= 0:
        return f"the learning rate stays at {now}, which a callback has set"
    schedule = schedule_of(dataclasses.replace(optim, epochs=before), training.steps)
    old = float(schedule(progress.epochs * training.steps + progress.step))
    return f"from here on the learning rate follows the schedule of {optim.epochs}, and goes from {old:.2g} to {now}"


def check_model(path: Path) -> None:
    """Raises DamagedError where the .keras file at `path` is missing or not as it was written."""
    try:
        with zipfile.ZipFile(path) as archive:
            broken = archive.testzip()
    except FileNotFoundError as error:
        raise state.DamagedError(f"the model {path} is missing") from error
    except Exception as error:  # bytes that nobody wrote make zipfile raise anything
        raise state.DamagedError(f"the model {path} is damaged ({error or type(error).__name__})") from error
    if broken is not None:
        raise state.DamagedError(f"the model {path} is damaged (its part {broken!r} is not what was written)")


def _whole(folder, path):
    if not path.exists():
        raise state.DamagedError(f"{path} is missing")
    arrays, progress = state.read(path)
    try:
        if folder.is_done():
            check_model(folder.best)
        elif progress.best is not None:
            check_model(folder.best_of(int(progress.best["epoch"])))
    except state.DamagedError as error:
        raise state.DamagedError(f"{path} can't be gone on from: {error}") from error
    return Found(path, arrays, progress)
