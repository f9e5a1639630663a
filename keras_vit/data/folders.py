"""A person's own images, in folders named after their classes, or as they lie."""

import pathlib
import warnings
from collections.abc import Sequence

import numpy as np
import tensorflow as tf

from keras_vit.data import listing, splitting
from keras_vit.data.skipping import DataError
from keras_vit.data.source import SPLITS, Source
from keras_vit.data.targets import Target

_VALIDATION = ("validation", "val", "valid")
_SHAPE = "FOLDER/train/CLASS/*.jpg with FOLDER/test/CLASS/*.jpg, or FOLDER/CLASS/*.jpg"
_PLAIN = "FOLDER/train/*.jpg with FOLDER/test/*.jpg, or FOLDER/*.jpg, at any depth"


def open_folder(
    path: str, *, targets: Sequence[str] = ("label",), split_seed: int = 0, validation: float = 0.1
) -> Source:
    """Opens PATH/train/CLASS/* with PATH/test and PATH/validation, or PATH/CLASS/*, as a Source.

    Without `targets` all images count, at any depth, whatever the folder they lie in. What has no split of its own is
    cut from the training images, about a share `validation` of each class, by their names (`splitting.split`). Ids are
    paths relative to PATH. Warns of entries that are left out, and of a split that stands in for another. Raises
    DataError.
    """
    root = pathlib.Path(path).expanduser()
    if other := [name for name in targets if name != "label"]:
        raise DataError(
            f"folder:{path} has no {other[0]!r} of its images; folders tell their 'label' alone, or nothing"
        )
    listing.check_name(root)
    try:
        if not path or not root.is_dir():
            raise DataError(f"no folder {str(root)!r}; folder:PATH expects {_SHAPE if targets else _PLAIN}")
        labels, files = _find_classes(root) if targets else ((), _find_images(root))
    except OSError as error:
        raise DataError(
            f"the folder {listing.shown(error.filename or root)} can't be read: {error.strerror}"
        ) from error
    splits = _split(root, files, validation, split_seed)
    if empty := [name for name, rows in splits.items() if not rows]:
        count = sum(map(len, files.values()))
        raise DataError(f"{root} has {count} images, too few: nothing is left for {' and '.join(empty)}")

    sizes = {split: len(splits[split]) for split in SPLITS}
    with tf.device("CPU"):  # made once: a graph that reads them captures them, instead of holding a copy
        tables = {split: _table(rows) for split, rows in splits.items()}
    start = f"{root}/"

    def read(split, shuffle):
        dataset = tf.data.Dataset.from_tensor_slices(tables[split])
        if shuffle is not None:
            dataset = dataset.shuffle(sizes[split], seed=shuffle, reshuffle_each_iteration=False)
        return dataset.map(lambda name, number: {"id": name} | ({"label": number} if targets else {}))

    def load(row):
        return {"image": tf.io.read_file(start + row["id"]), **row}

    def ids(split):
        return tuple(name for name, _ in splits[split])

    def classes(split):
        return np.array([number for _, number in splits[split]], "int64")

    known = {name: Target("class", labels) for name in targets}
    return Source(f"folder:{path}", known, 3, sizes, read, ids, load, classes if targets else None)


def _table(rows):
    names, numbers = zip(*rows, strict=True)
    return tf.constant(names), tf.constant(numbers, "int64")


def _split_folders(root, expected):
    """Returns {split: its folder's name}, or the root alone as "train"."""
    inside = {folder.name for folder in listing.folders(root)}
    if "train" in inside:
        aliases = {"train": ["train"], "validation": _VALIDATION, "test": ["test"]}
        present = {split: [name for name in names if name in inside] for split, names in aliases.items()}
        return {split: names[0] for split, names in present.items() if names}
    if held_out := inside & {"test", *_VALIDATION}:
        raise DataError(f"{root} has {'/, '.join(sorted(held_out))}/ but no train/; expected is {expected}")
    return {"train": "."}


def _find_classes(root):
    """Returns the class names, and {split: [(path relative to root, number of its class)]} as found."""
    found = _split_folders(root, _SHAPE)
    classes = {split: [folder.name for folder in listing.folders(root / found[split])] for split in found}
    labels = classes["train"]
    if len(labels) < 2:
        what = f"only the class folder {labels[0]!r}, and two are needed" if labels else "no class folders"
        raise DataError(f"{root / found['train']} has {what}; expected is {_SHAPE}")
    for split, names in classes.items():
        if odd := sorted(set(names) ^ set(labels)):
            raise DataError(
                f"the class folders of {root / found['train']} and {root / found[split]} must be the same, "
                f"and {', '.join(map(repr, odd))} stands in one alone"
            )
    return tuple(labels), {split: _images(root, folder, labels) for split, folder in found.items()}


def _find_images(root):
    """Returns {split: [(path relative to root, 0)]} of all images as found, at any depth."""
    found = {}
    for split, folder in _split_folders(root, _PLAIN).items():
        left = {}
        images = listing.images(root / folder, left, deep=True)
        listing.warn_of(left, root / folder)
        found[split] = [(image.relative_to(root).as_posix(), 0) for image in images]
    return found


def _images(root, folder, labels):
    rows, left = [], {}
    for number, label in enumerate(labels):
        images = listing.images(root / folder / label, left)
        rows += [(image.relative_to(root).as_posix(), number) for image in images]
    listing.warn_of(left, root / folder)
    return rows


def _split(root, files, validation, seed):
    """Returns {"train", "validation", "test"} of rows, cutting those that are missing; warns of a stand-in."""
    splits = dict(files)
    held_out = "test" not in splits and "validation" in splits
    if held_out:
        splits["test"] = splits.pop("validation")
    wanted = [name for name in splitting.HELD_OUT if name not in splits]
    if held_out:
        warnings.warn(
            f"{root} has no test/: its validation folder is the test split, and a validation split is cut from train/",
            stacklevel=3,
        )
    return {**splits, **splitting.split(splits["train"], wanted, validation, seed)}
