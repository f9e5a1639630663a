"""Where a run goes on: at its last state, or at the one before where the last is damaged."""

import os
import warnings
import zipfile
from pathlib import Path
from typing import NamedTuple

import numpy as np

from keras_vit.training.runs import state
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
            raise RunError(f"{error}; start over with fresh") from error
        try:
            found = _whole(folder, folder.earlier)
        except state.DamagedError as other:
            raise RunError(f"{error}, and so is the state before it: {other}; start over with fresh") from other
        where = found.progress.moment()
        warnings.warn(f"{error}; the run goes on from the state before it, that after {where}", stacklevel=2)
        return found


def go_on(folder: RunFolder, found: Found, learner: Learner) -> None:
    """Fills the variables of a training from the state that was found; ValueError where it is another model's."""
    state.fill(found.path, found.arrays, learner.model, learner.optimizer)
    if found.path != folder.state:
        os.replace(found.path, folder.state)  # else the next state would keep the damaged one as that before it


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
