"""A person's own images, in folders named after their classes."""

import pathlib
import random
import warnings

import tensorflow as tf

from keras_vit.data.skipping import DataError
from keras_vit.data.source import Source

ENDINGS = (".jpg", ".jpeg", ".png", ".gif", ".bmp", ".webp")
_VALIDATION = ("validation", "val", "valid")
_SHAPE = "FOLDER/train/CLASS/*.jpg with FOLDER/test/CLASS/*.jpg, or FOLDER/CLASS/*.jpg"


def open_folder(path, *, seed=0, validation=0.1):
    """Opens PATH/train/CLASS/* with PATH/test and PATH/validation, or PATH/CLASS/*, as a Source.

    What has no split of its own is cut from the training images by `seed`, `validation` of each class as far
    as rounding allows. Ids are paths relative to PATH. Raises DataError.
    """
    root = pathlib.Path(path).expanduser()
    if not path or not root.is_dir():
        raise DataError(f"no folder {str(root)!r}; folder:PATH expects {_SHAPE}")
    labels, files = _find(root)
    splits = _split(files, random.Random(seed), validation)
    if empty := [name for name, rows in splits.items() if not rows]:
        count = sum(map(len, files.values()))
        raise DataError(f"{root} has {count} images, too few: nothing is left for {' and '.join(empty)}")

    sizes = {split: len(splits[split]) for split in ("train", "validation", "test")}
    with tf.device("CPU"):  # made once: a graph that reads them captures them, instead of holding a copy
        tables = {split: _table(rows) for split, rows in splits.items()}
    start = f"{root}/"

    def read(split, shuffle):
        dataset = tf.data.Dataset.from_tensor_slices(tables[split])
        if shuffle is not None:
            dataset = dataset.shuffle(sizes[split], seed=shuffle, reshuffle_each_iteration=False)

        def load(name, number):
            return {"image": tf.io.read_file(start + name), "label": number, "id": name}

        return dataset.map(load, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True)

    return Source(f"folder:{path}", labels, 3, sizes, read)


def _table(rows):
    names, numbers = zip(*rows, strict=True)
    return tf.constant(names), tf.constant(numbers, "int64")


def _find(root):
    """Returns the class names, and {split: [(path relative to root, number of its class)]} as found."""
    inside = {folder.name for folder in _folders(root)}
    if "train" in inside:
        aliases = {"train": ["train"], "validation": _VALIDATION, "test": ["test"]}
        present = {split: [name for name in names if name in inside] for split, names in aliases.items()}
        found = {split: names[0] for split, names in present.items() if names}
    elif held_out := inside & {"test", *_VALIDATION}:
        raise DataError(f"{root} has {'/, '.join(sorted(held_out))}/ but no train/; expected is {_SHAPE}")
    else:
        found = {"train": "."}
    classes = {split: [folder.name for folder in _folders(root / found[split])] for split in found}
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


def _folders(path):
    return sorted(entry for entry in path.iterdir() if entry.is_dir() and not entry.name.startswith("."))


def _images(root, folder, labels):
    rows, ignored = [], []
    for number, label in enumerate(labels):
        entries = sorted(p for p in (root / folder / label).iterdir() if not p.name.startswith("."))
        images = [entry for entry in entries if entry.suffix.lower() in ENDINGS]
        if not images:
            raise DataError(f"{root / folder / label} has no images; they end in {', '.join(ENDINGS)}")
        rows += [(image.relative_to(root).as_posix(), number) for image in images]
        ignored += [entry for entry in entries if entry.suffix.lower() not in ENDINGS]
    if ignored:
        warnings.warn(
            f"{root / folder}: {len(ignored)} entries, such as {ignored[0]}, are left out, "
            f"for images end in {', '.join(ENDINGS)}",
            stacklevel=4,
        )
    return rows


def _split(files, draw, validation):
    """Returns {"train", "validation", "test"} of rows; the test split is filled first."""
    splits = dict(files)
    if "test" not in splits and "validation" in splits:
        splits["test"] = splits.pop("validation")
    for name in ("test", "validation"):
        if name not in splits:
            share = max(1, round(validation * len(files["train"])))
            splits[name], splits["train"] = _cut(splits["train"], share, draw)
    return splits


def _cut(rows, count, draw):
    """Returns `count` of `rows`, spread evenly over the classes, and the rest, both in their old order."""
    members = {}
    for row in draw.sample(rows, len(rows)):
        members.setdefault(row[1], []).append(row)
    # Image i of the n of a class stands at (i + 1) / (n + 1): a prefix takes the same share of each class,
    # and the only image of a class, at 1/2, stays behind.
    places = {row: (i + 1) / (len(each) + 1) for each in members.values() for i, row in enumerate(each)}
    taken = set(sorted(places, key=places.get)[:count])
    return [row for row in rows if row in taken], [row for row in rows if row not in taken]
