"""Opens the files that hold weights, each as a mapping from names to tensors that nothing has read; never a pickle."""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

from keras_vit import saved
from keras_vit.weights.archives import INDEX, npz_tensors, safetensors_tensors, sharded_tensors
from keras_vit.weights.hdf5 import h5_tensors, keras_tensors
from keras_vit.weights.tensors import CheckpointError, Tensor

_OPENERS = {
    INDEX: sharded_tensors,
    ".safetensors": safetensors_tensors,
    ".npz": npz_tensors,
    ".h5": h5_tensors,
    ".keras": keras_tensors,
}
_OURS = (".h5", ".keras")
_READS = ".safetensors, .npz, .weights.h5 and .keras"
_PICKLES = (".pt", ".pth", ".bin", ".pkl", ".ckpt")
_PRETRAINED = ("model.safetensors", f"model{INDEX}")  # in a folder of transformers' save_pretrained


def file_of(path: str | os.PathLike) -> Path:
    """Returns the file of weights at `path`, which may be the folder of a `save_pretrained` or of a run.

    Raises FileNotFoundError where nothing is, CheckpointError for a folder without such a file.
    """
    path = Path(path)
    if path.is_dir():
        found = [path / name for name in _PRETRAINED if (path / name).is_file()]
        return found[0] if found else _of_run(path)
    if not path.is_file():
        raise FileNotFoundError(f"no file {str(path)!r} to load weights from")
    return path


def _of_run(folder):
    try:
        file = saved.file_of(folder)
    except ValueError as error:
        raise CheckpointError(str(error)) from error
    if file is None:
        held = ", ".join(sorted(each.name for each in folder.iterdir())[:8]) or "nothing"
        raise CheckpointError(
            f"the folder {str(folder)!r} has none of {', '.join((*_PRETRAINED, saved.BEST))}; it has {held}"
        )
    return file


@contextlib.contextmanager
def open_checkpoint(path: str | os.PathLike) -> Iterator[tuple[dict[str, Tensor], bool]]:
    """Yields ({name: Tensor}, is_ours) of the file at `path`; a Keras file is ours, its names "block_0/norm1:0".

    Tensors can be read as long as the context lasts. Raises CheckpointError for a file of another kind or a damaged
    one, FileNotFoundError where none is.
    """
    path = file_of(path)
    suffix = next((each for each in _OPENERS if path.name.endswith(each)), None)
    if suffix is None:
        pickled = path.suffix in _PICKLES
        why = "is a pickle, which can run code; convert it to safetensors" if pickled else "is no checkpoint"
        raise CheckpointError(f"{str(path)!r} {why}; weights load from {_READS}")
    with contextlib.ExitStack() as stack:
        try:
            tensors = stack.enter_context(_OPENERS[suffix](path))
        except Exception as error:  # of a dozen kinds, by format and by damage
            kind = ".weights.h5" if suffix == ".h5" else suffix
            raise CheckpointError(f"{str(path)!r} can't be read as {kind}: {error}") from error
        yield tensors, suffix in _OURS
