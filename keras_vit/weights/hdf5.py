"""Keras' own files of weights, whose groups carry their layers' names; a file that points elsewhere is refused."""

import contextlib
import io
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import h5py
import ml_dtypes

from keras_vit.weights.tensors import Tensor

UNPACKED = 20  # times its packed size: what weights may grow to; they hardly shrink, and Keras stores them as they are


@contextlib.contextmanager
def keras_tensors(path: Path) -> Iterator[dict[str, Tensor]]:
    """Yields {"layer/sublayer:index": Tensor} of a .keras file."""
    with zipfile.ZipFile(path) as archive:
        weights = archive.getinfo("model.weights.h5")
        if weights.file_size > UNPACKED * weights.compress_size + 2**16:
            raise ValueError(f"its {weights.compress_size} bytes unpack to {weights.file_size}, as no weights do")
        content = io.BytesIO(archive.read(weights))
    with h5_tensors(content) as tensors:
        yield tensors


@contextlib.contextmanager
def h5_tensors(path: Path | io.BytesIO) -> Iterator[dict[str, Tensor]]:
    """Yields {"layer/sublayer:index": Tensor} of a .weights.h5 file, which stays open meanwhile.

    Raises ValueError for links and data sets that lead out of their place anywhere in the file.
    """
    with h5py.File(path, "r") as file:
        found = dict(_datasets(file))
        if "layers" not in file:
            raise ValueError("it holds no layers")
        tensors = {}
        for name, item in found.items():
            parts = name.split("/")
            if parts[0] == "layers" and len(parts) > 3 and parts[-2] == "vars":
                owner = _layer_path(file["layers"], parts[1:-2])
                tensors[f"{owner}:{parts[-1]}"] = _tensor(item)
        yield tensors


def _datasets(file: h5py.File) -> Iterator[tuple[str, Any]]:
    """Yields each (path, data set) of `file` once."""
    groups, seen = [("", file)], set()
    while groups:
        path, group = groups.pop()
        for key in group:
            name = path + key
            if not isinstance(group.get(key, getlink=True), h5py.HardLink):
                raise ValueError(f"{name} is a link to another place, which weights never are")
        for key in group:
            name, item = path + key, group[key]
            address = h5py.h5o.get_info(item.id).addr
            if address in seen:
                continue  # groups that hold each other have no end
            seen.add(address)
            if isinstance(item, h5py.Group):
                groups.append((f"{name}/", item))
            elif isinstance(item, h5py.Dataset):
                _check(name, item)
                yield name, item


def _check(name, item):
    if item.external or item.is_virtual:
        raise ValueError(f"{name} points to another file")
    if item.chunks and any(chunk > max(side, 1) for chunk, side in zip(item.chunks, item.shape, strict=True)):
        raise ValueError(f"{name} is {item.shape}, stored in pieces of {item.chunks}")  # each is unpacked as a whole


def _tensor(item):
    if item.attrs.get("dtype") == "bfloat16" and item.dtype.itemsize == 2:
        return Tensor(item.shape, "bfloat16", lambda: item[()].view(ml_dtypes.bfloat16))
    return Tensor(item.shape, item.dtype.name, lambda: item[()])


def _layer_path(group, keys):
    """Returns the names of the layers along `keys`, which are classes and attributes."""
    names = []
    for key in keys:
        group = group[key]
        if "vars" in group:
            names.append(str(group["vars"].attrs.get("name", key)))
    return "/".join(names)
