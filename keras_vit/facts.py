"""What is known of a model before it is built: its size, what it computes, its published checkpoints.

The numbers of the families that come with keras_vit stand in facts.csv, which `make tables` writes: to build and count
all of them takes minutes, and loads TensorFlow. Models of plug-ins are counted when they are asked for.
"""

import csv
import functools
import re
import warnings
from collections.abc import Iterable
from fnmatch import fnmatchcase
from pathlib import Path
from typing import NamedTuple

from keras_vit import registry
from keras_vit.backend import load
from keras_vit.nested import did_you_mean
from keras_vit.published import Published, published_of

TABLE = Path(__file__).with_suffix(".csv")


class Facts(NamedTuple):
    """What is known of the model called `name`."""

    name: str
    parameters: int  # that are trained
    macs: int  # multiply-accumulates of one image, of 224 x 224 pixels where the model takes any size
    image_size: tuple[int, int] | None  # pixels, None for any
    checkpoints: tuple[Published, ...]

    @property
    def gmacs(self) -> str:
        """1e9 multiply-accumulates, in three digits."""
        return f"{self.macs / 1e9:.3g}"

    @property
    def size(self) -> str:
        """The size of the images, such as 224×224."""
        return "any" if self.image_size is None else "×".join(map(str, self.image_size))


def facts(name: str) -> Facts:
    """Returns the Facts of the model called `name`, from the table where it is there; ZooError for an unknown name."""
    return facts_of([name])[0]


def facts_of(names: Iterable[str]) -> list[Facts]:
    """Returns the Facts of the models called `names`, asking each family once what is published for it."""
    found: dict[str, dict[str, list[Published]]] = {}  # family: {name of a model: its checkpoints}
    rows = []
    for name in names:
        start, _ = registry.split(name)
        if start not in found:  # an unknown family is no matter of the table's, nor one that is offered twice
            found[start] = {}
            for each in published_of(start):
                found[start].setdefault(registry.join(start, each.variant), []).append(each)
        parameters, macs, size = _table()[name] if name in _table() else count(name)
        rows.append(Facts(name, parameters, macs, size, tuple(found[start].get(name, ()))))
    return rows


def matching(pattern: str = "*") -> list[str]:
    """Returns the sorted names of the models that match `pattern`, a wildcard or the name of a family.

    Loads Keras only for a plug-in that may match; one that fails is left out with a warning. Raises ZooError where
    nothing matches.
    """
    families = registry.list_families()
    wanted = {pattern, f"{pattern}-*"} if pattern in families else {pattern}
    known = _by_family(_table())
    names = []
    for start in families:
        if start in known and not _any_match(known[start], wanted):
            continue
        if start in known or any(_may_match(start, each) for each in wanted):
            names += _names_of(start, known)
    names = sorted(name for name in names if _any_match([name], wanted))
    if not names:
        hint = did_you_mean(pattern.rstrip("-*?"), [*families, *_table()])
        raise registry.ZooError(f"no model matches {pattern!r}{hint}; the families are {', '.join(families)}")
    return names


def is_counted(name: str) -> bool:
    """Returns whether the numbers of the model called `name` stand in the table."""
    return name in _table()


def count(name: str) -> tuple[int, int, tuple[int, int] | None]:
    """Returns (parameters, macs, image size) of the model called `name`, which is built without its weights."""
    size = registry.resolve(name)[1].image_size
    parameters, macs = load("keras_vit.models").count_both(name, **({"image_size": 224} if size is None else {}))
    return parameters, macs, (size, size) if isinstance(size, int) else size


@functools.cache
def _table():
    """Returns {name: (parameters, macs, image size)} of the table."""
    with open(TABLE, newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    return {row["model"]: (int(row["parameters"]), int(row["macs"]), _size(row["image_size"])) for row in rows}


def _size(text):
    height, _, width = text.partition("x")
    return (int(height), int(width)) if text else None


def _by_family(names: Iterable[str]) -> dict[str, list[str]]:
    families: dict[str, list[str]] = {}
    for name in names:
        families.setdefault(registry.split(name)[0], []).append(name)
    return families


def _names_of(start, known):
    """Returns the names of the models of a family, none with a warning where it can't be had."""
    try:
        registry.offer_of(start)
        return known.get(start) or [registry.join(start, row) for row in registry.family(start).variants]
    except registry.ZooError as error:
        warnings.warn(str(error), stacklevel=3)
        return []


def _any_match(names, patterns):
    return any(fnmatchcase(name, pattern) for name in names for pattern in patterns)


def _may_match(start, pattern):
    literal = re.split(r"[*?\[]", pattern)[0]
    return f"{start}-".startswith(literal) or literal.startswith(f"{start}-")
