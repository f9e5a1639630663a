"""Which images a run learns from, chooses its best epoch by, and is tested on: as much a part of it as its options.

A run that goes on must find the images that it began with: others would change the result as another option would, and
worse, images that it has learned from could be among those that test it.
"""

import os
import warnings
from collections.abc import Collection
from pathlib import Path
from typing import Any

from keras_vit import data
from keras_vit.files import read_json, write_json
from keras_vit.nested import named
from keras_vit.training.runs.folder import RunError, RunFolder

LEARNED = ("train", "validation")  # what changes the model; the test images change what is said of it alone


def keep(folder: RunFolder, source: data.Source) -> None:
    """Writes the images of `source` to the folder of the run."""
    write_json(folder.images, of(source))


def of(source: data.Source) -> dict[str, Any]:
    """Returns what tells the images of `source` from others: names of targets, sizes, and ids where they are known."""
    ids = source.ids
    return {
        "data": _place(source.name),
        "names": {name: list(target.names) for name, target in source.targets.items()},
        "sizes": dict(source.sizes),
        "ids": None if ids is None else {split: list(ids(split)) for split in source.sizes},
    }


def check(folder: RunFolder, source: data.Source, skipped: Collection[str] = ()) -> None:
    """Raises RunError where the run in `folder` can't go on with the images of `source`.

    Warns where they differ in what changes nothing that was learned: test images, and those that were `skipped` since
    they can't be decoded. So it does for a run that is done.
    """
    here = of(source)
    if not folder.images.exists():
        return _check_older(folder, here)
    there = _read(folder.images)
    changed = [_renamed(there, here), *(_changed(there, here, split, skipped) for split in LEARNED)]
    told = f"output {str(folder.path)!r} was begun with other images of {source.name}: "
    if (wrong := "; ".join(filter(None, changed))) and not folder.is_done():
        raise RunError(
            f"{told}{wrong}; give it the images that it began with, name another {named('output')}, or start over "
            f"there with {named('fresh')}"
        )
    others = [_changed(there, here, split, ()) for split in here["sizes"] if wrong or split not in LEARNED]
    gone = [_changed(there, here, split, ()) for split in LEARNED if not wrong]
    if noted := "; ".join(dict.fromkeys(filter(None, [changed[0], *gone, *others]))):
        warnings.warn(f"{told}{noted}; nothing that it has learned changes by that", stacklevel=3)


def warn_of_seen(what: str, path: str | os.PathLike | None, source: data.Source, split: str = "test") -> None:
    """Warns if the run at `path`, or whose model lies there, has learned from images of the `split` of `source`."""
    if path is None or source.ids is None or (file := _record_near(Path(path))) is None:
        return
    there = _read(file)
    test = source.ids(split)
    known = {each for split in LEARNED for each in (there["ids"] or {}).get(split, ())}
    if seen := [each for each in test if each in known]:
        same = there["data"] == _place(source.name)
        of_it = f"{len(seen)} of the {len(test)} {split} images of {source.name}"
        learned = f"has learned from {of_it}" if same else f"has learned from images of the same names as {of_it}"
        warnings.warn(f"{what} {os.fspath(path)!r} {learned}, such as {seen[0]!r}: tests will flatter", stacklevel=3)


def _record_near(path):
    """Returns the record of the run that `path` is, or is a model of; None where there is none."""
    near = (path / "images.json", path.parent / "images.json", path.parent.parent / "images.json")
    return next((each for each in near if each.is_file()), None)


def _read(file):
    try:
        there = read_json(file)
        ids = there["ids"]
        if ids is not None and not all(isinstance(each, list) for each in ids.values()):
            raise TypeError("ids are lists")
        return {key: there[key] for key in ("data", "names", "sizes")} | {"ids": ids}
    except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise RunError(
            f"{file} is damaged ({error}), so nobody knows what was learned from; start over with {named('fresh')}"
        ) from error


def _check_older(folder, here):
    """Raises RunError for a run without a record, whose images were drawn from a folder in another way than today's."""
    if folder.is_done() or here["ids"] is None:
        return
    starts = [{each.partition("/")[0] for each in ids} for ids in here["ids"].values()]
    if sum(map(len, starts)) > len(set().union(*starts)):  # else each split has a folder of its own
        raise RunError(
            f"output {str(folder.path)!r} was begun by an older version, which drew other images of {here['data']} to "
            f"test on than this one: it may have learned from those; start over with {named('fresh')}, or end it with "
            "that version"
        )


def _renamed(there, here):
    """Returns in words how the names of targets differ, None where they don't."""
    for target in here["names"].keys() | there["names"].keys():
        ours, theirs = here["names"].get(target, []), there["names"].get(target, [])
        if ours == theirs:
            continue
        if sorted(ours) == sorted(theirs):
            return f"the {target} {theirs[0]!r} and others stand in another order"
        came, went = (sorted({*a} - {*b}) for a, b in ((ours, theirs), (theirs, ours)))
        told = [f"{_some(went)} of {len(theirs)} went" if went else "", f"{_some(came)} came" if came else ""]
        return f"of the {target}s {' and '.join(filter(None, told))}"
    return None


def _changed(there, here, split, skipped):
    """Returns in words which images of a split came and went, but those `skipped`; None where none did."""
    if there["ids"] is None or here["ids"] is None:
        before, now = there["sizes"].get(split), here["sizes"].get(split)
        return None if before == now else f"{split} had {before} images and has {now}"
    before, now = ({*each["ids"].get(split, ())} for each in (there, here))
    came, went = sorted(now - before), sorted(before - now - {*skipped})
    told = [f"{_some(went)} went from {split}" if went else "", f"{_some(came)} came to {split}" if came else ""]
    if held := [each for each in went if each in {*here["ids"]["test"]}]:
        told.append(f"{_some(held)} would be tested on")
    return ", ".join(filter(None, told)) or None


def _some(names):
    return f"{names[0]!r}" if len(names) == 1 else f"{names[0]!r} and {len(names) - 1} more"


def _place(name):
    """Returns the name of a source with its folder as it is from anywhere."""
    kind, colon, path = name.partition(":")
    return f"{kind}:{os.path.realpath(os.path.expanduser(path))}" if kind == "folder" and colon else name
