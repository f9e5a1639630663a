"""A part of a data set, drawn class by class: what would have been learned from fewer images."""

import dataclasses
import operator

import numpy as np
import tensorflow as tf

from keras_vit.data.skipping import DataError
from keras_vit.data.source import Source

_DRAWN = ("train", "validation")
_BATCH = 1024  # rows that are looked at together


def subset(source: Source, fraction: float, seed: int = 0) -> Source:
    """Returns `source` with only a `fraction` of its training and its validation images; all test images stay.

    Each class keeps its fraction, rounded, and one image at least; images without classes are drawn as if of one.
    `seed` draws them, so that a smaller fraction lies within a larger one. What is kept is held in memory, as encoded,
    but for files, which are read when they are needed. Raises DataError for a fraction outside (0, 1].
    """
    if not 0 < fraction <= 1:
        raise DataError(f"a fraction of {fraction!r} of {source.name}; it is above 0 and at most 1")
    if fraction == 1:
        return source
    held = {split: _drawn(source, split, fraction, np.random.default_rng([seed, i])) for i, split in enumerate(_DRAWN)}
    sizes = {**source.sizes} | {split: len(rows["id"]) for split, rows in held.items()}

    def read(split, shuffle):
        if split not in held:
            return source.read(split, shuffle)
        rows = tf.data.Dataset.from_tensor_slices(held[split])
        if shuffle is None:
            return rows
        return rows.shuffle(sizes[split], seed=shuffle, reshuffle_each_iteration=False)

    def ids(split):
        if split not in held:
            return source.ids(split)
        return tuple(each.decode() for each in held[split]["id"].numpy())

    def classes(split):
        if split not in held:
            return source.classes(split)
        return held[split]["label"].numpy()

    return dataclasses.replace(
        source,
        sizes=sizes,
        read=read,
        ids=ids if source.ids else None,
        classes=classes if source.classes else None,
    )


def _drawn(source, split, fraction, rng):
    """Returns the examples that are kept as a dict of tensors (n,), in the order of `source`."""
    batches = source.rows(split).batch(_BATCH)
    labels = _classes(source, split, batches)
    kept = np.zeros(len(labels), bool)
    for label in np.unique(labels):
        members = rng.permutation(np.flatnonzero(labels == label))
        kept[members[: max(1, round(fraction * len(members)))]] = True
    chosen = {name: [] for name in batches.element_spec}
    for i, rows in enumerate(batches.as_numpy_iterator()):
        here = kept[i * _BATCH : (i + 1) * _BATCH]
        for name, values in chosen.items():
            values.extend(rows[name][here])
    with tf.device("CPU"):  # made once: a graph that reads them captures them, instead of holding a copy
        return {name: tf.constant(values) for name, values in chosen.items()}


def _classes(source, split, batches):
    """Returns the number of each example's class, 0 for all where there are none."""
    if "label" not in source.targets:
        return np.zeros(source.sizes[split], "int64")
    return np.concatenate(list(batches.map(operator.itemgetter("label")).as_numpy_iterator()))
