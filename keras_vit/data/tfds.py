"""Data sets of TensorFlow Datasets, read as encoded bytes."""

import difflib
import functools
from collections.abc import Sequence

import numpy as np
import tensorflow as tf

from keras_vit import backend
from keras_vit.data import tfds_internals
from keras_vit.data.builders import digits, digits_on_photos  # noqa: F401  (the import gives TFDS their names)
from keras_vit.data.preparing import prepare, quiet
from keras_vit.data.skipping import DataError
from keras_vit.data.source import Source
from keras_vit.data.tfds_features import Feature, image_of, target_of

tfds = backend.load("tensorflow_datasets")
_VALIDATION = ("validation", "val", "valid", "dev")
_SHUFFLE_BYTES = 1 << 29  # of encoded images that wait in the shuffle buffer
_COUNTED_BYTES = 1 << 28  # of a split that are read to count its classes, some seconds at most
_LOOKED_AT = 100  # first examples of a test split, of which one at least has what is asked for


def open_tfds(
    name: str, *, targets: Sequence[str] = ("label",), data_dir: str | None = None, validation: float = 0.1
) -> Source:
    """Opens the data set that TensorFlow Datasets calls `name`, preparing it if need be, as a Source.

    Raises DataError for an unknown name, a data set that isn't one of single images with the `targets`, and one that
    can't be downloaded.
    """
    builder = _find(name, data_dir)
    image = image_of(builder, name, targets)
    found = {target: target_of(builder, name, target) for target in targets}
    prepare(builder, name)
    parts = _parts(builder, name, found, validation)
    infos = builder.info.splits
    sizes = {split: infos[part].num_examples for split, part in parts.items()}

    def read(split, shuffle):
        reading = tfds.ReadConfig(
            add_tfds_id=True,
            try_autocache=False,  # a cache per epoch would only be filled, never read
            shuffle_seed=shuffle,
            shuffle_reshuffle_each_iteration=False,
        )
        decoders = _decoders(found, image)
        with quiet():
            dataset = builder.as_dataset(
                split=parts[split], decoders=decoders, read_config=reading, shuffle_files=shuffle is not None
            )
        if shuffle is not None:
            whole = infos[parts[split].partition("[")[0]]
            mean = max(1, (whole.num_bytes or 0) // whole.num_examples)
            buffer = max(1, min(sizes[split], _SHUFFLE_BYTES // mean))
            dataset = dataset.shuffle(buffer, seed=shuffle, reshuffle_each_iteration=False)

        @tf.autograph.experimental.do_not_convert
        def example(row):
            known = {target: feature.read(row) for target, feature in found.items()}
            return {"image": row[image], "id": row["tfds_id"]} | known

        return dataset.map(example)

    channels = 1 if builder.info.features[image].shape[-1] == 1 else 3
    known = {key: feature.target for key, feature in found.items()}
    return Source(name, known, channels, sizes, read, classes=_classes(builder, parts, found))


def is_known(name: str, data_dir: str | None = None) -> bool:
    """Returns whether TensorFlow Datasets, or this package, has a data set called `name`, in whatever version."""
    try:
        with quiet():
            tfds.builder(name, data_dir=data_dir, try_gcs=False)
    except tfds_internals.UnknownDataset:
        return False
    except (ValueError, AssertionError):  # a name that is none, or a configuration or a version that it hasn't
        return name.partition("/")[0].partition(":")[0] in tfds.list_builders(with_community_datasets=False)
    return True


def _classes(builder, parts, features):
    """Returns the function from a split to the number of each example's class; None where they have none."""
    if "label" not in features:
        return None
    label = {"label": features["label"]}

    @functools.cache
    def classes(split):
        if (builder.info.splits[parts[split]].num_bytes or 0) > _COUNTED_BYTES:
            return None
        reading = tfds.ReadConfig(try_autocache=False)
        with quiet():
            rows = builder.as_dataset(split=parts[split], decoders=_decoders(label), read_config=reading)
        numbers = rows.map(tf.autograph.experimental.do_not_convert(label["label"].read)).batch(1024)
        return np.concatenate([*numbers.as_numpy_iterator()])

    return classes


def _decoders(features: dict[str, Feature], image: str | None = None):
    """Returns what reads the `features`, and the `image`, alone; images as encoded."""
    wanted = {feature.key: feature.wanted for feature in features.values()}
    encoded = [feature.key for feature in features.values() if feature.encoded]
    if image is not None:
        wanted, encoded = {image: True, **wanted}, [image, *encoded]
    return tfds.decode.PartialDecoding(wanted, decoders=dict.fromkeys(encoded, tfds.decode.SkipDecoding()))


def _find(name, data_dir):
    try:
        with quiet():
            return tfds.builder(name, data_dir=data_dir, try_gcs=False)
    except (tfds_internals.UnknownDataset, ValueError, AssertionError) as error:
        known = tfds.list_builders(with_community_datasets=False)
        start = name.partition("/")[0].partition(":")[0]
        if start in known:  # an unknown configuration or version
            raise DataError(f"TensorFlow Datasets can't open {name!r}: {error}") from error
        close = difflib.get_close_matches(start.lower().replace("-", "_"), known, n=3)
        hint = f"did you mean {' or '.join(map(repr, close))}?" if close else f"it has {len(known)} others"
        raise DataError(
            f"TensorFlow Datasets has no data set {name!r} ({hint}); "
            "'digits' needs no download, and 'folder:PATH' reads your own images"
        ) from error


def _parts(builder, name, features, share):
    """Returns {"train", "validation", "test"} of split names of TFDS, with slices such as "train[:90]"."""
    infos = builder.info.splits
    if "train" not in infos:
        raise DataError(f"{name!r} has no split 'train' to train on; it has {', '.join(infos)}")
    held_out = [each for each in _VALIDATION if each in infos][:1]
    if "test" in infos and _known(builder, "test", features):
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


def _known(builder, split, features):
    """Whether `split` has all `features`: competitions publish test images with a class of -1, or without boxes."""
    unsure = {name: feature for name, feature in features.items() if feature.target.kind in ("class", "boxes")}
    if not unsure:
        return True
    reading = tfds.ReadConfig(try_autocache=False)  # of a few examples a cache is worth only TensorFlow's warning
    with quiet():
        rows = builder.as_dataset(split=split, decoders=_decoders(unsure), read_config=reading).take(_LOOKED_AT)
        seen = [{name: feature.is_known(row) for name, feature in unsure.items()} for row in rows]
    return all(any(row[name] for row in seen) for name in unsure)
