"""A part of a data set, drawn class by class: what would have been learned from fewer images."""

import dataclasses
import operator

import numpy as np
import tensorflow as tf

from keras_vit.data.skipping import DataError
from keras_vit.data.source import Source

_SHARED = ("train", "validation")
_BATCH = 1024  # rows that are looked at together


def subset(source: Source, share, seed=0):
    """Returns `source` with only a `share` of its training and its validation images; all test images stay.

    Each class keeps its share, rounded, and one image at least. `seed` draws them, so that a smaller share lies within
    a larger one. What is kept is held in memory, as encoded. Raises DataError for a share outside (0, 1].
    """
    if not 0 < share <= 1:
        raise DataError(f"a share of {share!r} of {source.name}; it is above 0 and at most 1")
    if share == 1:
        return source
    held = {split: _drawn(source, split, share, np.random.default_rng([seed, i])) for i, split in enumerate(_SHARED)}
    sizes = source.sizes | {split: len(rows["id"]) for split, rows in held.items()}

    def read(split, shuffle):
        if split not in held:
            return source.read(split, shuffle)
        rows = tf.data.Dataset.from_tensor_slices(held[split])
        if shuffle is None:
            return rows
        return rows.shuffle(sizes[split], seed=shuffle, reshuffle_each_iteration=False)

    return dataclasses.replace(source, sizes=sizes, read=read)


def _drawn(source, split, share, draw):
    """Returns {"image", "label", "id"} of the images that are kept, as tensors in the order of `source`."""
    batches = source.examples(split).batch(_BATCH)
    labels = np.concatenate(list(batches.map(operator.itemgetter("label")).as_numpy_iterator()))
    kept = np.zeros(len(labels), bool)
    for label in np.unique(labels):
        members = draw.permutation(np.flatnonzero(labels == label))
        kept[members[: max(1, round(share * len(members)))]] = True
    chosen = {"image": [], "label": [], "id": []}
    for i, rows in enumerate(batches.as_numpy_iterator()):
        here = kept[i * _BATCH : (i + 1) * _BATCH]
        for name, values in chosen.items():
            values.extend(rows[name][here])
    with tf.device("CPU"):  # made once: a graph that reads them captures them, instead of holding a copy
        return {name: tf.constant(values) for name, values in chosen.items()}
