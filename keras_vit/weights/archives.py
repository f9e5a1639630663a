"""NumPy's .npz and safetensors, in one file or in several that an index lists; read without pickles."""

import contextlib
import json
import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import safetensors

from keras_vit.weights.tensors import Tensor

INDEX = ".safetensors.index.json"
_HEADERS = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
_REAL = {"F64": "float64", "F32": "float32", "F16": "float16", "BF16": "bfloat16"}
_EIGHT_BITS = {"F8_E4M3": "float8_e4m3fn", "F8_E5M2": "float8_e5m2"}


@contextlib.contextmanager
def npz_tensors(path: Path) -> Iterator[dict[str, Tensor]]:
    """Yields {name: Tensor} of an .npz file, which stays open meanwhile."""
    with zipfile.ZipFile(path) as archive:
        yield {info.filename.removesuffix(".npy"): _member(archive, info) for info in archive.infolist()}


def _member(archive, info):
    with archive.open(info) as file:
        version = np.lib.format.read_magic(file)
        if version not in _HEADERS:
            raise ValueError(f"{info.filename} is of version {version} of NumPy's format, which no plain array needs")
        shape, _, dtype = _HEADERS[version](file)

    def read():
        with archive.open(info) as file:
            return np.lib.format.read_array(file, allow_pickle=False)

    return Tensor(shape, dtype.name, read)


@contextlib.contextmanager
def safetensors_tensors(path: Path) -> Iterator[dict[str, Tensor]]:
    """Yields {name: Tensor} of a safetensors file, which stays open meanwhile."""
    with safetensors.safe_open(path, framework="numpy") as file:
        yield {name: _slice(file, name) for name in file.keys()}  # noqa: SIM118 it is no mapping


def _slice(file, name):
    said = file.get_slice(name)
    kind = str(said.get_dtype())
    dtype = (_REAL | _EIGHT_BITS).get(kind, kind.lower())
    return Tensor(tuple(said.get_shape()), dtype, lambda: file.get_tensor(name))


@contextlib.contextmanager
def sharded_tensors(path: Path) -> Iterator[dict[str, Tensor]]:
    """Yields {name: Tensor} of the safetensors files that the index at `path` lists, which lie beside it."""
    places = json.loads(path.read_text(encoding="utf-8"))["weight_map"]
    with contextlib.ExitStack() as stack:
        shards = {}
        for file in dict.fromkeys(places.values()):
            if Path(file).name != file or not file.endswith(".safetensors"):
                raise ValueError(f"its index names {file!r}, which is no safetensors file beside it")
            if not (path.parent / file).is_file():
                raise ValueError(f"its index names {file!r}, which is not beside it")
            shards[file] = stack.enter_context(safetensors_tensors(path.parent / file))
        for name, file in places.items():
            if name not in shards[file]:
                raise ValueError(f"its index seeks {name} in {file!r}, which doesn't hold it")
        yield {name: shards[file][name] for name, file in places.items()}
