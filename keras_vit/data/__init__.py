"""Image data as tf.data pipelines: sources of encoded images, preprocessing, augmentation."""

from keras_vit import backend

backend.load("tensorflow")

from keras_vit.data.augment import AUGMENTATIONS, augmentation  # noqa: E402
from keras_vit.data.damage import DAMAGES, damage  # noqa: E402
from keras_vit.data.mixing import mix  # noqa: E402
from keras_vit.data.pipeline import (  # noqa: E402
    evaluation_batches,
    evaluation_steps,
    steps_per_epoch,
    training_batches,
)
from keras_vit.data.preprocessing import Preprocessing  # noqa: E402
from keras_vit.data.published import as_trained, preprocessing  # noqa: E402
from keras_vit.data.share import share_of  # noqa: E402
from keras_vit.data.source import DataError, Source, open_source  # noqa: E402

__all__ = [
    "AUGMENTATIONS",
    "DAMAGES",
    "DataError",
    "Preprocessing",
    "Source",
    "as_trained",
    "augmentation",
    "damage",
    "evaluation_batches",
    "evaluation_steps",
    "mix",
    "open_source",
    "preprocessing",
    "share_of",
    "steps_per_epoch",
    "training_batches",
]
