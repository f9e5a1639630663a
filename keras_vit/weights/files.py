"""Reads the files that hold weights, each as a mapping from tensor names to arrays; never a pickle."""

import io
import os
import zipfile
from collections.abc import Mapping
from pathlib import Path

import h5py
import ml_dtypes
import numpy as np
import safetensors

_READS = ".safetensors, .npz, .weights.h5 and .keras"


class CheckpointError(ValueError):
    """A file that holds no weights, or none that fit the model; the message lists what doesn't."""


class _Safetensors(Mapping):
    """A safetensors file, its tensors read when asked for."""

    def __init__(self, path):
        self.file = safetensors.safe_open(path, framework="numpy")
        self.names = dict.fromkeys(self.file.keys())

    def __getitem__(self, name):
        if name not in self.names:
            raise KeyError(name)
        return self.file.get_tensor(name)

    def __contains__(self, name):
        return name in self.names

    def __iter__(self):
        return iter(self.names)

    def __len__(self):
        return len(self.names)


def open_checkpoint(path: str | os.PathLike) -> tuple[Mapping[str, np.ndarray], bool]:
    """Returns ({name: array}, is_ours) of the file at `path`; a Keras file is ours, its names "block_0/norm1:0".

    Raises CheckpointError for a file of another kind or a damaged one, FileNotFoundError where none is.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"no file {str(path)!r} to load weights from")
    suffix = ".weights.h5" if path.name.endswith(".h5") else path.suffix
    readers = {".safetensors": _Safetensors, ".npz": _npz, ".weights.h5": _h5, ".keras": _keras}
    if suffix not in readers:
        pickled = suffix in (".pt", ".pth", ".bin", ".pkl", ".ckpt")
        why = "is a pickle, which can run code; convert it to safetensors" if pickled else "is no checkpoint"
        raise CheckpointError(f"{str(path)!r} {why}; weights load from {_READS}")
    try:
        return readers[suffix](path), suffix in (".weights.h5", ".keras")
    except (OSError, ValueError, KeyError, zipfile.BadZipFile, safetensors.SafetensorError) as error:
        raise CheckpointError(f"{str(path)!r} can't be read as {suffix}: {error}") from error


def _npz(path):
    return np.load(path, allow_pickle=False)


def _keras(path):
    with zipfile.ZipFile(path) as archive:
        return _h5(io.BytesIO(archive.read("model.weights.h5")))


def _h5(path):
    """Returns {"layer/sublayer:index": array} of a Keras weights file, whose groups carry their layers' names."""
    arrays = {}
    with h5py.File(path, "r") as file:
        if "layers" not in file:
            raise ValueError("it holds no layers")

        def collect(name, item):
            parts = name.split("/")
            if not isinstance(item, h5py.Dataset) or len(parts) < 3 or parts[-2] != "vars":
                return
            if item.external or item.is_virtual:
                raise ValueError(f"{name} points to another file")
            owner = _layer_path(file["layers"], parts[:-2])
            array = item[()]
            if item.attrs.get("dtype") == "bfloat16":
                array = array.view(ml_dtypes.bfloat16)
            arrays[f"{owner}:{parts[-1]}"] = array

        file["layers"].visititems(collect)  # follows no link out of the file
    return arrays


def _layer_path(group, keys):
    """Returns the names of the layers along `keys`, which are classes and attributes."""
    names = []
    for key in keys:
        group = group[key]
        if "vars" in group:
            names.append(str(group["vars"].attrs.get("name", key)))
    return "/".join(names)
