"""The names by which sources are opened."""

import difflib
import pathlib
import warnings
from collections.abc import Sequence

from keras_vit.data.folders import open_folder
from keras_vit.data.skipping import DataError
from keras_vit.data.source import Source
from keras_vit.data.tfds import is_known, open_tfds

_KINDS = ("folder", "folders", "dir", "directory", "path")


def open_source(
    name: str,
    *,
    targets: Sequence[str] = ("label",),
    data_dir: str | None = None,
    split_seed: int = 0,
    validation: float = 0.1,
) -> Source:
    """Opens the Source called "digits", "digits_on_photos", any name of TensorFlow Datasets, or "folder:PATH".

    A name that is a folder's alone means that folder; of a folder that is called like a data set, the data set is
    opened. A warning says which it is.

    `targets` names what a task needs to know of each image, and no more is read: "label" is its class, "boxes" are
    objects, other names are those of features of TensorFlow Datasets, such as "mask" or "depth". A task that needs
    nothing, `targets=()`, also opens images without classes.

    `data_dir` is where TensorFlow Datasets keeps prepared data; a data set that is not there yet is
    downloaded into it. The fraction `validation` of the training images is held out where the source has no
    validation split beside its test split. Those of a folder are drawn by their names and `split_seed`. That is not the
    seed of a training, so that no model has seen the test images of another, which may start from it. Raises DataError.
    """
    if not isinstance(name, str) or not name:
        raise DataError(f"a data set is named by a string such as 'digits' or 'folder:photos', not {name!r}")
    if isinstance(targets, str):
        raise DataError(f"targets={targets!r}; it is a tuple of names, such as ({targets!r},)")
    if not 0 < validation < 0.5:
        raise DataError(f"validation={validation!r}; it is a share of the training images between 0 and 0.5")
    kind, colon, path = name.partition(":")
    if kind == "folder" and colon:
        return open_folder(path, targets=targets, split_seed=split_seed, validation=validation)
    if pathlib.Path(name).expanduser().is_dir():
        if _is_path(name) or not is_known(name, data_dir):
            warnings.warn(f"data {name!r} is read as 'folder:{name}'", stacklevel=2)
            return open_folder(name, targets=targets, split_seed=split_seed, validation=validation)
        warnings.warn(f"{name!r} is a data set of its own; the folder {name!r} is 'folder:{name}'", stacklevel=2)
    elif hint := _folder_meant(name, data_dir):
        raise DataError(f"no data set {name!r}, and no folder either{hint}")
    return open_tfds(name, targets=targets, data_dir=data_dir, validation=validation)


def _is_path(name):
    """Returns whether `name` is written as that of a file is, and of no data set."""
    return name.startswith((".", "/", "~")) or name.endswith("/") or "\\" in name


def _folder_meant(name, data_dir):
    """Returns how a folder that `name` seems to mean is given; None where it seems to mean none."""
    kind, colon, path = name.partition(":")
    if colon and difflib.get_close_matches(kind.lower(), _KINDS, cutoff=0.8):
        return f" (did you mean 'folder:{path}'?)"
    if _is_path(name):
        return "; 'folder:PATH' reads your own images"
    there = [each.name for each in pathlib.Path().iterdir() if each.is_dir()]
    close = difflib.get_close_matches(name, there, n=1, cutoff=0.8)
    return f" (did you mean 'folder:{close[0]}'?)" if close and not is_known(name, data_dir) else None
