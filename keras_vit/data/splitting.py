"""Which images are trained on, which choose the best epoch, which test: by their names, whatever lies beside them."""

import hashlib
import warnings
from collections.abc import Mapping, Sequence

Row = tuple[str, int]  # the path of an image relative to its source, and the number of its class


def fill_splits(
    files: Mapping[str, Sequence[Row]], seed: int, fraction: float, labels: Sequence[str] = ()
) -> dict[str, list[Row]]:
    """Returns the rows of "train", "validation" and "test", each in its order, drawing from "train" what is missing.

    An image is drawn with the probability `fraction` for each split that is missing, by a hash of its name and `seed`
    alone: others that come or go don't move it. A class of which none is drawn for a split gives the one whose hash is
    next, as long as another is left to train on. Once a class has images in all splits, others that come to it move
    none from "train" to "test". Warns of classes that a split has no image of.
    """
    found = {name: list(rows) for name, rows in files.items()}
    missing = [name for name in ("test", "validation") if name not in found]
    drawn: dict[str, list[Row]] = {name: [] for name in missing}
    rest = []
    for rows in _by_class(found["train"]).values():
        ordered = sorted((_place(name, seed), (name, label)) for name, label in rows)
        for i, name in enumerate(missing):
            below = [each for each in ordered if each[0] < fraction * (i + 1)] or ordered[:1]
            taken = below[: len(ordered) - 1]  # one is left to train on
            drawn[name] += [row for _, row in taken]
            ordered = ordered[len(taken) :]
        rest += [row for _, row in ordered]
    places = {row: i for i, row in enumerate(found["train"])}
    drawn["train"] = rest
    found |= {name: sorted(rows, key=places.__getitem__) for name, rows in drawn.items()}
    _warn_of_absent(found, labels)
    return found


def _by_class(rows):
    members = {}
    for row in rows:
        members.setdefault(row[1], []).append(row)
    return members


def _place(name, seed):
    """Returns a number from 0 to 1 that `name` and `seed` alone decide, the same on every machine."""
    data = f"{seed}/{name}".encode(errors="surrogateescape")
    return int.from_bytes(hashlib.sha256(data).digest()[:8]) / 2**64


def _warn_of_absent(found, labels):
    for name, rows in found.items():
        present = {label for _, label in rows}
        if rows and (absent := [label for i, label in enumerate(labels) if i not in present]):
            told = ", ".join(map(repr, absent[:5])) + (f" and {len(absent) - 5} more" if len(absent) > 5 else "")
            warnings.warn(f"{name} has no image of {told}: there are too few", stacklevel=4)
