"""Image files as a model takes them."""

import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

import keras
import numpy as np

from keras_vit.data.preprocessing import Preprocessing
from keras_vit.data.published import preprocessing as preprocessing_of

_THREADS = 8  # at most: an image of 100 million pixels takes 0.3 GB in each


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


def read_each(
    paths: Sequence[str | os.PathLike], preprocessing: Preprocessing, batch: int
) -> Iterator[list[np.ndarray | ValueError]]:
    """Yields the images of files, float32 (H, W, C) each, in lists of at most `batch`, in order.

    In the place of a file that can't be read, or is no image, stands the ValueError that says why. Threads read and
    decode one list ahead, and hold no more.
    """

    def read(path):
        try:
            return preprocessing(path)[0]
        except ValueError as error:
            return error

    with ThreadPoolExecutor(min(_THREADS, os.cpu_count() or 1)) as threads:
        ahead: list = []
        try:
            for start in range(0, len(paths), batch):
                ahead.append([threads.submit(read, path) for path in paths[start : start + batch]])
                if len(ahead) > 1:
                    yield [each.result() for each in ahead.pop(0)]
            for last in ahead:
                yield [each.result() for each in last]
        finally:
            threads.shutdown(cancel_futures=True)
