"""Data sets of TensorFlow Datasets, read as encoded bytes."""

import difflib

import numpy as np
import tensorflow as tf

from keras_vit import backend
from keras_vit.data.builders import digits, digits_on_photos  # noqa: F401  (the import gives TFDS their names)
from keras_vit.data.preparing import prepare, quiet
from keras_vit.data.skipping import DataError
from keras_vit.data.source import Source

tfds = backend.load("tensorflow_datasets")
_VALIDATION = ("validation", "val", "valid", "dev")
_SHUFFLE_BYTES = 1 << 29  # of encoded images that wait in the shuffle buffer


def open_tfds(name, *, data_dir=None, validation=0.1):
    """Opens the data set that TensorFlow Datasets calls `name`, preparing it if need be, as a Source.

    Raises DataError for an unknown name, a data set that isn't one of single labelled images, and one that
    can't be downloaded.
    """
    builder = _find(name, data_dir)
    image, label = _keys(builder, name)
    prepare(builder, name)
    parts = _parts(builder, name, label, validation)
    depth = builder.info.features[image].shape[-1]
    infos = builder.info.splits
    sizes = {split: infos[part].num_examples for split, part in parts.items()}
    features = builder.info.features
    mask = ["mask"] if "mask" in features and isinstance(features["mask"], tfds.features.Image) else []

    def read(split, shuffle):
        reading = tfds.ReadConfig(
            add_tfds_id=True,
            try_autocache=False,  # a cache per epoch would only be filled, never read
            shuffle_seed=shuffle,
            shuffle_reshuffle_each_iteration=False,
        )
        encoded = dict.fromkeys([image, *mask], tfds.decode.SkipDecoding())
        wanted = dict.fromkeys([image, label, *mask], True)
        decoders = tfds.decode.PartialDecoding(wanted, decoders=encoded)
        with quiet():
            dataset = builder.as_dataset(
                split=parts[split], decoders=decoders, read_config=reading, shuffle_files=shuffle is not None
            )
        if shuffle is not None:
            whole = infos[parts[split].partition("[")[0]]
            mean = max(1, (whole.num_bytes or 0) // whole.num_examples)
            buffer = max(1, min(sizes[split], _SHUFFLE_BYTES // mean))
            dataset = dataset.shuffle(buffer, seed=shuffle, reshuffle_each_iteration=False)

        def example(row):
            given = {"image": row[image], "label": tf.cast(row[label], "int64"), "id": row["tfds_id"]}
            return given | {name: row[name] for name in mask}

        return dataset.map(example)

    labels = tuple(builder.info.features[label].names)
    return Source(name, labels, 1 if depth == 1 else 3, sizes, read)


def _find(name, data_dir):
    try:
        with quiet():
            return tfds.builder(name, data_dir=data_dir, try_gcs=False)
    except tfds.core.registered.DatasetNotFoundError as error:
        known = tfds.list_builders(with_community_datasets=False)
        start = name.partition("/")[0].partition(":")[0]
        close = difflib.get_close_matches(start, known, n=3)
        hint = f"did you mean {' or '.join(map(repr, close))}?" if close else f"it has {len(known)} others"
        raise DataError(
            f"TensorFlow Datasets has no data set {name!r} ({hint}); "
            "'digits' needs no download, and 'folder:PATH' reads your own images"
        ) from error
    except (ValueError, AssertionError) as error:  # an unknown configuration or version
        raise DataError(f"TensorFlow Datasets can't open {name!r}: {error}") from error


def _keys(builder, name):
    """Returns the names of the features that hold the image and its class."""
    features, keys = builder.info.features, builder.info.supervised_keys
    if keys and len(keys) == 2 and all(isinstance(key, str) for key in keys):
        image, label = (features[key] for key in keys)
        single = isinstance(image, tfds.features.Image) and np.dtype(image.np_dtype) == "uint8"
        if single and isinstance(label, tfds.features.ClassLabel):
            return keys
    held = ", ".join(features) if hasattr(features, "keys") else features
    raise DataError(
        f"{name!r} is no data set of single images with one class each (it holds {held}); "
        "one such as 'cifar10' or 'imagenet2012' is needed"
    )


def _parts(builder, name, label, share):
    """Returns {"train", "validation", "test"} of split names of TFDS, with slices such as "train[:90]"."""
    infos = builder.info.splits
    if "train" not in infos:
        raise DataError(f"{name!r} has no split 'train' to train on; it has {', '.join(infos)}")
    held_out = [each for each in _VALIDATION if each in infos][:1]
    if "test" in infos and _labelled(builder, "test", label):
        parts = {"test": "test", **({"validation": held_out[0]} if held_out else {})}
    else:
        parts = {"test": held_out[0]} if held_out else {}
    end, cut = infos["train"].num_examples, max(1, round(share * infos["train"].num_examples))
    for split in ("test", "validation"):
        if split not in parts:
            parts[split] = f"train[{end - cut}:{end}]"
            end -= cut
    if end < 1:
        raise DataError(f"{name!r} has only {infos['train'].num_examples} training images: too few to split")
    parts["train"] = "train" if end == infos["train"].num_examples else f"train[:{end}]"
    return {split: parts[split] for split in ("train", "validation", "test")}


def _labelled(builder, split, label):
    """Whether the first example of `split` has a class; competitions publish their test images with -1."""
    decoders = tfds.decode.PartialDecoding({label: True})
    reading = tfds.ReadConfig(try_autocache=False)  # of one example a cache is worth only TensorFlow's warning
    with quiet():
        first = builder.as_dataset(split=split, decoders=decoders, read_config=reading).take(1)
    return all(int(row[label]) >= 0 for row in first)
