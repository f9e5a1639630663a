"""The features of a data set of TensorFlow Datasets that hold its images and what is known of each."""

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from keras_vit import backend
from keras_vit.data.skipping import DataError
from keras_vit.data.targets import Target, pack

tfds = backend.load("tensorflow_datasets")


@dataclasses.dataclass(frozen=True)
class Feature:
    """A feature called `key`: the Target that it is, and how the scalar of an example is made of a row."""

    key: str
    target: Target
    read: Callable[[dict], tf.Tensor]
    is_known: Callable[[dict], bool] = lambda row: True
    wanted: Any = True  # what of it is read, as PartialDecoding takes it
    encoded: bool = False  # whether it is read as the bytes of an image file


def image_of(builder: tfds.core.DatasetBuilder, name: str, targets: Sequence[str]) -> str:
    """Returns the name of the feature that holds the images; DataError where the data set isn't one of single images.

    It is the one that the data set is supervised on, or the one called "image".
    """
    features, keys = builder.info.features, builder.info.supervised_keys
    for key in [*(key for key in keys or () if isinstance(key, str)), "image"]:
        if hasattr(features, "keys") and key in features and _is_image(features[key]):
            return key
    raise _refusal(builder, name, " with one class each" if "label" in targets else "")


def target_of(builder: tfds.core.DatasetBuilder, name: str, target: str) -> Feature:
    """Returns the feature that holds what `open_source` calls `target`; DataError where there is none."""
    if target == "label":
        return _label(builder, name)
    features = builder.info.features
    if target == "boxes":
        for key, feature in features.items():
            if found := _boxes(key, feature):
                return found
    elif target in features:
        feature = features[target]
        if _is_image(feature) and feature.shape[-1] == 1:
            return Feature(target, Target("mask"), lambda row: row[target], encoded=True)
        if np.issubdtype(feature.np_dtype, np.floating) and len(feature.shape) in (2, 3):
            return Feature(target, Target("depth"), lambda row: pack(_map(row[target])))
    hint = "; 'digits_on_photos' has" if target == "mask" else ""
    raise DataError(f"{name!r} has no {target} beside each image (it holds {_held(features)}){hint}")


def _label(builder, name):
    keys = builder.info.supervised_keys
    if keys and len(keys) == 2 and all(isinstance(key, str) for key in keys):
        key, feature = keys[1], builder.info.features[keys[1]]
        if isinstance(feature, tfds.features.ClassLabel):
            target = Target("class", tuple(feature.names))
            return Feature(key, target, lambda row: tf.cast(row[key], "int64"), lambda row: int(row[key]) >= 0)
    raise _refusal(builder, name, " with one class each")


def _boxes(key, feature):
    """Returns the Feature of objects that have a box and a class each, or None."""
    inner = getattr(feature, "feature", None)
    if not isinstance(feature, tfds.features.Sequence) or not hasattr(inner, "items"):
        return None
    box = [name for name, each in inner.items() if isinstance(each, tfds.features.BBoxFeature)]
    label = [name for name, each in inner.items() if isinstance(each, tfds.features.ClassLabel)]
    if not box or not label:
        return None

    def read(row):
        kinds = tf.cast(row[key][label[0]], "float32")[:, None]
        return pack(tf.concat([tf.cast(row[key][box[0]], "float32"), kinds], axis=1))

    return Feature(
        key,
        Target("boxes", tuple(inner[label[0]].names)),
        read,
        lambda row: len(row[key][box[0]]) > 0,
        {box[0]: True, label[0]: True},
    )


def _is_image(feature):
    return isinstance(feature, tfds.features.Image) and np.dtype(feature.np_dtype) == "uint8"


def _map(values):
    """Returns a depth map (h, w) or (h, w, 1) as (h, w, 1)."""
    return values[..., None] if values.shape.rank == 2 else values


def _held(features):
    return ", ".join(features) if hasattr(features, "keys") else features


def _refusal(builder, name, what):
    return DataError(
        f"{name!r} is no data set of single images{what} (it holds {_held(builder.info.features)}); "
        "one such as 'cifar10' or 'imagenet2012' is needed"
    )
