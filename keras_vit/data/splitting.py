"""The split of images that come without one: a place for each by its name, whatever else lies beside it."""

import hashlib
import unicodedata
from collections.abc import Mapping, Sequence

Row = tuple[str, int]  # a name and the number of its class

HELD_OUT = ("test", "validation")


def split(rows: Sequence[Row], wanted: Sequence[str], share: float, seed: int = 0) -> dict[str, list[Row]]:
    """Returns `rows` as "train" and those `wanted` of "test" and "validation", each about a `share` of a class.

    A hash of `seed` and its name gives each image its place, so a split changes neither with the order of images nor
    with a training's seed, and hardly with their number: an image that is added goes to its own place. The name is
    hashed and not what the file holds, which would mean to read every file before the first can be used; copies of one
    image under two names can lie on both sides.

    A class of which the hash holds none out gives its lowest to the test, and the next to the validation. No class
    gives so many that those after it have none: training comes first, then the test, then the validation, so that of 3
    images or more each has one.
    """
    members: dict[int, list[Row]] = {}
    for row in rows:
        members.setdefault(row[1], []).append(row)
    parts: dict[str, set[Row]] = {name: set() for name in wanted}
    for each in members.values():
        for name, held in _held_out(each, wanted, share, seed).items():
            parts[name].update(held)
    taken = set().union(*parts.values())
    chosen: Mapping[str, set[Row]] = {"train": set(rows) - taken} | parts
    return {name: [row for row in rows if row in held] for name, held in chosen.items()}


def place(name: str, seed: int = 0) -> float:
    """Returns where an image stands between 0 and 1, by its name alone."""
    written = unicodedata.normalize("NFC", name)  # as some file systems don't
    digest = hashlib.sha256(f"{seed}:{written}".encode()).digest()
    return int.from_bytes(digest[:8], "big") / 2**64


def _held_out(rows, wanted, share, seed):
    """Returns {split: rows} of the rows of one class."""
    places = {row: place(row[0], seed) for row in rows}
    rest = sorted(rows, key=lambda row: (places[row], row))
    found = {}
    later = [name for name in HELD_OUT if name in wanted]
    for i, name in enumerate(HELD_OUT):  # the validation's range stays its own where there are test images already
        if name not in wanted:
            continue
        later.remove(name)
        held = [row for row in rest if i * share <= places[row] < (i + 1) * share] or rest[:1]
        found[name] = held[: min(len(rest) - 1, max(1, len(rest) - 1 - len(later)))]
        gone = set(found[name])
        rest = [row for row in rest if row not in gone]
    return found
