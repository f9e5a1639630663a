"""Image data as tf.data pipelines: sources of encoded images, preprocessing, augmentation."""

from keras_vit import backend

backend.load("tensorflow")

from keras_vit.data.augmentation.geometry import Geometry  # noqa: E402
from keras_vit.data.augmentation.mixing import mixing  # noqa: E402
from keras_vit.data.augmentation.names import AUGMENTATIONS, augmentation  # noqa: E402
from keras_vit.data.batches import (  # noqa: E402
    evaluation_batches,
    evaluation_steps,
    steps_per_epoch,
    training_batches,
)
from keras_vit.data.corruptions import CORRUPTIONS, corrupt  # noqa: E402
from keras_vit.data.counting import class_counts, uneven  # noqa: E402
from keras_vit.data.decoding import decoder  # noqa: E402
from keras_vit.data.opening import open_source  # noqa: E402
from keras_vit.data.preprocessing import Preprocessing  # noqa: E402
from keras_vit.data.published import model_preprocessing, preprocessing  # noqa: E402
from keras_vit.data.reading import read_each, read_images  # noqa: E402
from keras_vit.data.relabelling import relabelled, whole  # noqa: E402
from keras_vit.data.skipping import DataError  # noqa: E402
from keras_vit.data.source import Source  # noqa: E402
from keras_vit.data.subset import subset  # noqa: E402
from keras_vit.data.targets import Target, pack  # noqa: E402

__all__ = [
    "AUGMENTATIONS",
    "CORRUPTIONS",
    "DataError",
    "Geometry",
    "Preprocessing",
    "Source",
    "Target",
    "augmentation",
    "class_counts",
    "corrupt",
    "decoder",
    "evaluation_batches",
    "evaluation_steps",
    "mixing",
    "model_preprocessing",
    "open_source",
    "pack",
    "preprocessing",
    "read_each",
    "read_images",
    "relabelled",
    "steps_per_epoch",
    "subset",
    "training_batches",
    "uneven",
    "whole",
]
