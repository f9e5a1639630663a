"""Images as people have them, to pixels: files, arrays, Pillow's images, one or many."""

import os
import stat
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from keras_vit import backend
from keras_vit.data import image_files
from keras_vit.data.listing import shown

_MODES = ("1", "L", "LA", "P", "PA", "RGB", "RGBA", "RGBX", "CMYK", "YCbCr")  # of Pillow, of 8 bits or fewer
_WANTED = "pixels are whole numbers from 0 to 255, (h, w), (h, w, 1), (h, w, 3) or (h, w, 4)"


def each_image(images: Any, channels: int) -> Iterator[tf.Tensor]:
    """Yields uint8 (h, w, channels) of each of `images`, as training and serving decode it.

    They are the path of a file, an image of Pillow, an array (h, w), (h, w, c) or (B, h, w, c) of whole numbers from 0
    to 255, or an iterable of such images, which may differ in size. Grey and colours become each other, and of RGBA the
    colour counts. Raises ValueError for what is no image, and TypeError for what no image is made of.
    """
    for number, image in enumerate(_listed(images)):
        yield _one(image, channels, number)


def _listed(images):
    if _is_alone(images):
        return [images]
    if hasattr(images, "shape"):
        return [images] if len(images.shape) < 4 else images
    if isinstance(images, Iterable) and not isinstance(images, (bytes, dict)):
        return images
    raise TypeError(f"images are files, arrays or images of Pillow, one or a list of them, not {type(images).__name__}")


def _is_alone(image):
    return isinstance(image, str | os.PathLike) or _is_pillows(image)


def _is_pillows(image):
    module = sys.modules.get("PIL.Image")  # who has such an image has loaded it
    return module is not None and isinstance(image, module.Image)


def _one(image, channels, number):
    if isinstance(image, str | os.PathLike):
        return _of_file(image, channels)
    if _is_pillows(image):
        image = _of_pillow(image, channels, number)
    array = np.asarray(image)
    if array.ndim == 2:
        array = array[..., None]
    if array.ndim != 3 or array.shape[-1] not in (1, 3, 4) or not array.size:
        raise ValueError(f"image {number} is {array.shape}; {_WANTED}; of many grey images give images[..., None]")
    if array.dtype.kind not in "iu" or array.min() < 0 or array.max() > 255:
        raise ValueError(
            f"image {number} holds {array.dtype} from {array.min()} to {array.max()}; {_WANTED}; "
            "make of numbers from 0 to 1 such by (255 * image).round().astype('uint8')"
        )
    return _in_channels(tf.constant(array[..., :3].astype("uint8")), channels)


def _in_channels(image, channels):
    if image.shape[-1] == channels:
        return image
    return tf.image.rgb_to_grayscale(image) if channels == 1 else tf.repeat(image, channels, axis=-1)


def _of_pillow(image, channels, number):
    """Returns an image of Pillow as an array, the right way up, as files are read."""
    if image.mode not in _MODES:
        raise ValueError(f"image {number} is of Pillow's mode {image.mode!r}; {', '.join(_MODES)} are read")
    upright = backend.load("PIL.ImageOps").exif_transpose(image)
    grey = channels == 1 and image.mode in ("1", "L", "LA")
    return np.asarray(upright.convert("L" if grey else "RGB"))


def _of_file(path, channels):
    name = f"'{shown(path)}'"
    try:
        if not stat.S_ISREG(os.stat(path).st_mode):  # a pipe or a device would keep us waiting
            raise ValueError(f"{name} is no file of an image, but a folder, a device or a pipe")
        return image_files.decode(Path(path).read_bytes(), channels)
    except OSError as error:
        raise ValueError(f"image {name} can't be read: {error.strerror}") from error
    except tf.errors.InvalidArgumentError as error:
        raise ValueError(f"{name} {image_files.reason_of(error)}") from error
