"""A source as a model sees it: with the model's numbers of classes, or with all images in one split."""

import dataclasses
from collections.abc import Sequence

import numpy as np
import tensorflow as tf

from keras_vit.data.skipping import DataError
from keras_vit.data.source import SPLITS, Source
from keras_vit.data.targets import Target

_SHOWN = 20  # names of classes in a sentence


def relabelled(source: Source, labels: Sequence[str]) -> Source:
    """Returns `source` with the numbers that its classes, by their names, have among `labels`.

    Raises DataError for classes that are not among them, or more than once.
    """
    own, known = source.labels, tuple(labels)
    if own == known:
        return source
    if unknown := [name for name in own if name not in known]:
        raise DataError(f"{source.name} has classes that are not known: {_listed(unknown)}; known are {_listed(known)}")
    if twice := [name for name in own if known.count(name) > 1]:
        raise DataError(f"{_listed(twice)} of {source.name} is the name of several classes, and nothing says which")
    # the last is that of a class that nobody tells, -1
    numbers = np.array([*map(known.index, own), -1], "int64")
    with tf.device("CPU"):
        table = tf.constant(numbers)

    def read(split, shuffle):
        rows = source.read(split, shuffle)
        return rows.map(lambda row: {**row, "label": tf.gather(table, row["label"] % len(numbers))})

    def classes(split):
        found = source.classes(split)
        return None if found is None else numbers[found]

    return dataclasses.replace(
        source,
        targets={**source.targets, "label": Target("class", known)},
        read=read,
        classes=classes if source.classes else None,
    )


def whole(source: Source) -> Source:
    """Returns `source` with the images of all its splits as its test split."""
    sizes = {**source.sizes, "test": sum(source.sizes.values())}

    def read(split, shuffle):
        if split != "test":
            return source.read(split, shuffle)
        first, *others = (source.read(each, shuffle) for each in SPLITS)
        for each in others:
            first = first.concatenate(each)
        return first

    def ids(split):
        return sum(map(source.ids, SPLITS), ()) if split == "test" else source.ids(split)

    def classes(split):
        found = [source.classes(each) for each in (SPLITS if split == "test" else (split,))]
        return None if any(each is None for each in found) else np.concatenate(found)

    return dataclasses.replace(
        source,
        sizes=sizes,
        read=read,
        ids=ids if source.ids else None,
        classes=classes if source.classes else None,
    )


def _listed(names):
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(map(repr, names[:_SHOWN])) + more
