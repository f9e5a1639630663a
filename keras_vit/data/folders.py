"""A person's own images, in folders named after their classes, or as they lie."""

import os
import pathlib
import warnings
from collections.abc import Sequence

import tensorflow as tf

from keras_vit.data.skipping import DataError
from keras_vit.data.source import Source
from keras_vit.data.splitting import fill_splits
from keras_vit.data.targets import Target

ENDINGS = (".jpg", ".jpeg", ".png", ".gif", ".bmp", ".webp")
_VALIDATION = ("validation", "val", "valid")
_SHAPE = "FOLDER/train/CLASS/*.jpg with FOLDER/test/CLASS/*.jpg, or FOLDER/CLASS/*.jpg"
_PLAIN = "FOLDER/train/*.jpg with FOLDER/test/*.jpg, or FOLDER/*.jpg, at any depth"


def open_folder(path: str, *, targets: Sequence[str] = ("label",), seed: int = 0, validation: float = 0.1) -> Source:
    """Opens PATH/train/CLASS/* with PATH/test and PATH/validation, or PATH/CLASS/*, as a Source.

    Without `targets` all images count, at any depth, whatever the folder they lie in. A split without a folder of its
    own is drawn from the training images, about the fraction `validation` of them: by their names and `seed` alone, so
    that an image stays in its split when others come or go (`splitting.fill_splits`). Ids are paths relative to PATH.
    Warns of classes that a split has no image of. Raises DataError.
    """
    root = pathlib.Path(path).expanduser()
    if other := [name for name in targets if name != "label"]:
        raise DataError(
            f"folder:{path} has no {other[0]!r} of its images; folders tell their 'label' alone, or nothing"
        )
    if not path or not root.is_dir():
        raise DataError(f"no folder {str(root)!r}; folder:PATH expects {_SHAPE if targets else _PLAIN}")
    labels, files = _find_classes(root) if targets else ((), _find_images(root))
    splits = fill_splits(_told(files, root), seed, validation, labels)
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
            known = {"label": number} if targets else {}
            return {"image": tf.io.read_file(start + name), "id": name} | known

        return dataset.map(load, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True)

    def ids(split):
        return tuple(name for name, _ in splits[split])

    return Source(f"folder:{path}", {name: Target("class", labels) for name in targets}, 3, sizes, read, ids)


def _table(rows):
    names, numbers = zip(*rows, strict=True)
    return tf.constant(names), tf.constant(numbers, "int64")


def _split_folders(root, expected):
    """Returns {split: its folder's name}, or the root alone as "train"."""
    inside = {folder.name for folder in _folders(root)}
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


def _find_images(root):
    """Returns {split: [(path relative to root, 0)]} of all images as found, at any depth."""
    found = {}
    for split, folder in _split_folders(root, _PLAIN).items():
        entries = []
        for path, folders, names in os.walk(root / folder, followlinks=True):
            folders[:] = sorted(name for name in folders if not name.startswith("."))
            entries += [pathlib.Path(path, name) for name in sorted(names) if not name.startswith(".")]
        images = [entry for entry in entries if entry.suffix.lower() in ENDINGS]
        _warn_of([entry for entry in entries if entry.suffix.lower() not in ENDINGS], root / folder)
        if not images:
            raise DataError(f"{root / folder} has no images; they end in {', '.join(ENDINGS)}")
        found[split] = [(image.relative_to(root).as_posix(), 0) for image in images]
    return found


def _folders(path):
    return sorted(entry for entry in path.iterdir() if entry.is_dir() and not entry.name.startswith("."))


def _images(root, folder, labels):
    rows, others = [], []
    for number, label in enumerate(labels):
        entries = sorted(p for p in (root / folder / label).iterdir() if not p.name.startswith("."))
        images = [entry for entry in entries if entry.suffix.lower() in ENDINGS]
        if not images:
            raise DataError(f"{root / folder / label} has no images; they end in {', '.join(ENDINGS)}")
        rows += [(image.relative_to(root).as_posix(), number) for image in images]
        others += [entry for entry in entries if entry.suffix.lower() not in ENDINGS]
    _warn_of(others, root / folder)
    return rows


def _warn_of(others, folder):
    """Warns of entries that are left out."""
    if others:
        warnings.warn(
            f"{folder}: {len(others)} entries, such as {others[0]}, are left out, "
            f"for images end in {', '.join(ENDINGS)}",
            stacklevel=5,
        )


def _told(files, root):
    """Returns `files` with a held-out folder as the test split, and says so where it has another name."""
    if "test" in files or "validation" not in files:
        return files
    held_out = files["validation"][0][0].partition("/")[0]
    warnings.warn(
        f"{root} has {held_out}/ but no test/: the images of {held_out}/ are the test, and those that choose the best "
        "epoch are drawn from train/",
        stacklevel=4,
    )
    return {"train": files["train"], "test": files["validation"]}
