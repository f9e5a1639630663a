"""The image files of a folder, and why the other entries are none."""

import os
import warnings
from collections.abc import Iterator
from pathlib import Path, PurePath

from keras_vit.data.image_files import CONVERT
from keras_vit.data.skipping import DataError

ENDINGS = (".jpg", ".jpeg", ".png", ".gif", ".bmp", ".webp")
_CONVERTIBLE = (".tif", ".tiff", ".heic", ".heif", ".avif", ".jxl", ".jp2")
_AROUND = "they are links to folders that they lie in"


def folders(path: Path) -> list[Path]:
    """Returns the folders in `path`, links to folders too, by name; DataError for a name that is not UTF-8."""
    found = sorted(entry for entry in path.iterdir() if not entry.name.startswith(".") and entry.is_dir())
    for entry in found:
        check_name(entry)
    return found


Left = dict[str, list[Path]]  # why entries are left out -> those entries


def images(path: Path, left: Left, *, deep: bool = False) -> list[Path]:
    """Returns the image files in `path`, at any depth if `deep`, and adds the other entries to `left`.

    Files alone are taken, and links to files: a pipe or a device could keep a reader waiting for ever. Raises DataError
    where there are none.
    """
    found: list[Path] = []
    others: Left = {}
    for entry in _entries(path, frozenset({os.path.realpath(path)}), deep):
        reason = _reason(entry, deep)
        (found if reason is None else others.setdefault(reason, [])).append(Path(entry.path))
    if not found:
        hint = f"; {CONVERT}" if any(CONVERT in reason for reason in others) else ""
        raise DataError(f"{path} has no images; they end in {', '.join(ENDINGS)}{hint}")
    for reason, entries in others.items():
        left.setdefault(reason, []).extend(entries)
    return found


def warn_of(left: Left, folder: Path) -> None:
    """Warns of the entries in `folder` that are left out, once for each reason."""
    for reason, entries in left.items():
        first = shown(entries[0])
        warnings.warn(f"{folder}: {len(entries)} entries, such as {first}, are left out, for {reason}", stacklevel=5)


def check_name(path: PurePath) -> None:
    """Raises DataError for a path that is not UTF-8, which could neither be shown nor kept as text."""
    if not _is_text(str(path)):
        raise DataError(f"the name of the folder {shown(path)} is not UTF-8; rename it")


def shown(path: str | os.PathLike) -> str:
    """Returns a path as it can be printed: what is not UTF-8 as the escapes of its bytes."""
    return os.fsencode(path).decode("utf-8", "backslashreplace")


def _entries(path, above, deep) -> Iterator[os.DirEntry]:
    """Gives what isn't hidden, by name, then if `deep` what lies in its folders but for those of `above`, around it."""
    with os.scandir(path) as scan:
        found = sorted((entry for entry in scan if not entry.name.startswith(".")), key=lambda entry: entry.name)
    inside = {entry.path: os.path.realpath(entry.path) for entry in found if deep and _is_folder(entry)}
    yield from (entry for entry in found if inside.get(entry.path, "") in {"", *above})
    for each, real in inside.items():
        if real not in above:
            yield from _entries(each, above | {real}, deep)


def _reason(entry, deep):
    """Returns why `entry` is no image file, as the end of a sentence, or None; asks for no more than its kind."""
    if not _is_text(entry.path):
        return "their names are not UTF-8"
    if _is_folder(entry):
        return _AROUND if deep else "they are folders"
    if not _is_file(entry):
        return (
            "they are devices, sockets or pipes" if os.path.exists(entry.path) else "they are links that lead nowhere"
        )
    ending = os.path.splitext(entry.name)[1].lower()
    if ending in ENDINGS:
        return None
    hint = f"; of {ending}, {CONVERT}" if ending in _CONVERTIBLE else ""
    return f"images end in {', '.join(ENDINGS)}{hint}"


def _is_folder(entry):
    try:
        return entry.is_dir()
    except OSError:  # a link to itself
        return False


def _is_file(entry):
    try:
        return entry.is_file()
    except OSError:
        return False


def _is_text(name):
    try:
        return bool(name.encode())
    except UnicodeEncodeError:
        return False
