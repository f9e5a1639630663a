"""How many images of each class the splits of a source have."""

from collections.abc import Mapping

import numpy as np

from keras_vit.data.source import Source

UNEVEN = 1.5  # times as many images as the smallest class has, above which an accuracy says little of that class


def class_counts(source: Source) -> dict[str, np.ndarray] | None:
    """Returns {split: the number of images of each class, int64 (classes,)}; None where they aren't cheaply known."""
    if source.classes is None:
        return None
    counts = {}
    for split in source.sizes:
        if (numbers := source.classes(split)) is None:
            return None
        known = numbers[numbers >= 0]  # -1 is a class that nobody tells
        counts[split] = np.bincount(known, minlength=len(source.labels))
    return counts


def uneven(counts: Mapping[str, np.ndarray]) -> bool:
    """Returns whether the largest class has more than 1.5 times as many images as the smallest, of all splits."""
    images = np.sum([*counts.values()], axis=0)
    return bool(images.max() > UNEVEN * images.min())
