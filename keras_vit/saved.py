"""Models that lie on disk: the folder of a run, or a .keras file."""

import logging
import os
from pathlib import Path

import keras

from keras_vit.graphs import flat

BEST, OPTIONS, RESULT = "best.keras", "options.json", "result.json"  # of a run's folder


def is_run(path: str | os.PathLike) -> bool:
    """Tells whether `path` is the folder of a run, which may not have ended."""
    return (Path(path) / OPTIONS).is_file()


def file_of(path: str | os.PathLike) -> Path | None:
    """Returns the .keras file at `path`, which may be the folder of a run; None where there is neither.

    Raises ValueError for a run that has no model yet, and says of one that has not ended that its model may change.
    """
    path = Path(path)
    if path.suffix == ".keras" and path.is_file():
        return path
    if not (path / BEST).is_file():
        if is_run(path):
            raise ValueError(_without_model(path))
        return None
    if is_run(path) and not (path / RESULT).exists():
        logging.getLogger("keras_vit").warning(
            "the run %r has not ended; its %s is the best model of the epochs so far", str(path), BEST
        )
    return path / BEST


def load(path: str | os.PathLike) -> keras.Model:
    """Returns the model at `path`, a .keras file or the folder of a run, as one graph; it isn't compiled.

    Raises ValueError where there is none, or where it can't be read.
    """
    file = file_of(path)
    if file is None:
        raise ValueError(f"{os.fspath(path)!r} is no folder of a finished run, and no .keras file")
    try:
        model = keras.saving.load_model(file, compile=False)
    except Exception as error:  # of many kinds, by damage and by what the file needs
        why = str(error).strip().partition("\n")[0] or type(error).__name__
        raise ValueError(f"{str(file)!r} can't be read as .keras: {why[:300]}") from error
    return flat(model)


def _without_model(path):
    if (path / RESULT).exists():
        return f"the model {BEST} of the finished run {str(path)!r} was removed; train it again with fresh"
    return (
        f"the run {str(path)!r} has no {BEST} yet: no epoch of it has ended; it is there, the best model so far, "
        "as soon as one has"
    )
