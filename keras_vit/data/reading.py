"""Image files as a model takes them."""

import os
from collections.abc import Sequence

import keras
import numpy as np

from keras_vit.data.preprocessing import Preprocessing
from keras_vit.data.published import preprocessing as preprocessing_of


def read_images(
    paths: Sequence[str | os.PathLike], model: keras.Model, preprocessing: Preprocessing | None = None
) -> np.ndarray:
    """Returns the images of files as `model` takes them, float32 (B, H, W, C), by the preprocessing it carries.

    Images that are no files: keras_vit.preprocessing(model)(images). Raises ValueError for a file that can't be read or
    is no image, and for a model that carries no preprocessing if none is given.

    >>> images = keras_vit.data.read_images(["cat.png", "dog.png"], model)
    >>> images.shape, images.dtype
    ((2, 32, 32, 3), dtype('float32'))
    """
    return (preprocessing or preprocessing_of(model))(paths)
