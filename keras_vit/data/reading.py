"""Image files as a model takes them."""

import os
import stat
from collections.abc import Sequence
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from keras_vit.data.image_files import reason_of
from keras_vit.data.listing import shown
from keras_vit.data.preprocessing import Preprocessing
from keras_vit.data.published import model_preprocessing


def read_images(
    paths: Sequence[str | os.PathLike], model: keras.Model, preprocessing: Preprocessing | None = None
) -> np.ndarray:
    """Returns the images of files as `model` takes them, float32 (B, H, W, C), by the preprocessing it carries.

    Raises ValueError for a file that can't be read or is no image, and for a model that carries no preprocessing if
    none is given.
    """
    preprocessing = preprocessing or model_preprocessing(model)
    if preprocessing is None:
        raise ValueError(f"{model.name} says nothing of how its images are prepared; a trained or published model does")
    return np.stack([preprocessing(_decoded(path, preprocessing)).numpy() for path in paths])


def _decoded(path, preprocessing):
    name = f"'{shown(path)}'"
    try:
        if not stat.S_ISREG(os.stat(path).st_mode):  # a pipe or a device would keep us waiting
            raise ValueError(f"{name} is no file of an image, but a folder, a device or a pipe")
        return preprocessing.decode(Path(path).read_bytes())
    except OSError as error:
        raise ValueError(f"image {name} can't be read: {error.strerror}") from error
    except tf.errors.InvalidArgumentError as error:
        raise ValueError(f"{name} {reason_of(error)}") from error
