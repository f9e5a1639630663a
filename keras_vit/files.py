"""Writes files whole or not at all, and on this machine."""

import contextlib
import csv
import json
import os
import re
import secrets
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any


class WriteError(OSError):
    """A file that can't be written, where the disk is full for instance; what it held before is intact."""


_PARTIAL = re.compile(r"^tmp-(?:[0-9a-f]{8}-)?")
_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+:/")  # of a Path too, which makes "gs:/bucket" of "gs://bucket"


def local_path(path: str | os.PathLike) -> Path:
    """Returns `path`, where it is one of this machine's file system.

    Raises ValueError for an address such as "gs://bucket/run", which would become a local folder called "gs:".
    """
    if _URL.match(os.fsdecode(path)):
        raise ValueError(
            f"{os.fsdecode(path)!r} is no path of this machine, and only those are read and written; give a local "
            "path, or mount the bucket (gcsfuse, s3fs) and give the path of the mount"
        )
    return Path(os.fsdecode(path))


def is_path(name: Any, families: Iterable[str]) -> bool:
    """Tells whether `name` is a path, such as "runs/photos", rather than the name of a model of one of `families`.

    A name without a folder before it is a path where it ends in ".keras", or is a folder and no family's.
    """
    if not isinstance(name, str):
        return isinstance(name, os.PathLike)
    if "/" in name or os.sep in name or name.endswith(".keras"):
        return True
    return name.partition("-")[0] not in families and os.path.isdir(name)


@contextlib.contextmanager
def writing(path: str | os.PathLike) -> Iterator[None]:
    """Within it an error of the file system is a WriteError that names `path`."""
    try:
        yield
    except WriteError:
        raise
    except OSError as error:
        raise WriteError(f"{path} can't be written: {error.strerror or error}") from error


def folder(path: str | os.PathLike) -> Path:
    """Returns the folder `path` of this machine, which it makes unless it is there.

    Raises ValueError for an address of another, WriteError where the folder can't be made.
    """
    made = local_path(path)
    with writing(made):
        made.mkdir(parents=True, exist_ok=True)
    return made


@contextlib.contextmanager
def replacing(path: str | os.PathLike) -> Iterator[Path]:
    """Yields a new empty file beside `path` to write to; on success it becomes `path` in one step, else it goes.

    The suffix stays, since Keras and Matplotlib choose their format by it. Raises WriteError where it can't be written.
    """
    path = local_path(path)
    with writing(path):
        partial = _created(path)
        try:
            yield partial
            with open(partial, "r+b") as written:
                os.fsync(written.fileno())  # else a power cut could leave the new name on an empty file
            os.replace(partial, path)
        finally:
            partial.unlink(missing_ok=True)


def leftovers(*paths: Path) -> list[Path]:
    """Returns the files that `replacing` left beside `paths` where a kill came, those of older versions too."""
    beside = [each for folder in {path.parent for path in paths} for each in folder.glob("tmp-*")]
    return [each for each in beside if each.with_name(_PARTIAL.sub("", each.name)) in paths]


def _created(path):
    """Returns a new file beside `path`; one of a name that somebody could guess might be a link to elsewhere."""
    partial = path.with_name(f"tmp-{secrets.token_hex(4)}-{path.name}")
    os.close(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666))
    return partial


def write_json(path: str | os.PathLike, value: Any) -> None:
    """Writes `value` to `path` as indented JSON."""
    with replacing(path) as partial:
        partial.write_text(json.dumps(value, indent=2) + "\n", encoding="utf-8")


def read_json(path: str | os.PathLike) -> Any:
    """Returns the value that the JSON file `path` holds."""
    return json.loads(Path(path).read_text(encoding="utf-8"))


def write_csv(path: str | os.PathLike, header: Iterable[str], rows: Iterable[Iterable[Any]]) -> None:
    """Writes a table to `path`, numbers with all their digits."""
    with replacing(path) as partial, partial.open("w", newline="", encoding="utf-8") as file:
        lines = csv.writer(file)
        lines.writerow(header)
        lines.writerows([[repr(float(v)) if hasattr(v, "dtype") else v for v in row] for row in rows])
