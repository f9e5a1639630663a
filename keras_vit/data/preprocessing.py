"""From encoded bytes to the array a model sees: one definition for training, evaluation and serving."""

import dataclasses
from typing import Any

import numpy as np
import tensorflow as tf

from keras_vit.data import image_files
from keras_vit.data.pixels import each_image

_LONGEST = 16  # times the proportions of what is cut of it may an image have before it is cut in advance


@dataclasses.dataclass(frozen=True)
class Preprocessing:
    """Turns images into what a model takes: decoded, resized, centre-cropped and normalised.

    Called on images of any kind it gives a batch; `decode` and `prepare` are its two steps, of one image, in TensorFlow
    ops that any graph can hold: training, evaluation and serving are made of them.
    The image is resized, keeping its proportions, until the central `crop` of its tighter side is
    `image_size` (h, w), and cut to that. `mean` and `std`, on a scale of 0 to 1, are one number or one
    per channel. Raises ValueError for values that make no sense.
    """

    image_size: tuple[int, int] = (224, 224)
    channels: int = 3
    mean: float | tuple = 0.5
    std: float | tuple = 0.5
    interpolation: str = "bilinear"
    crop: float = 1.0

    def __post_init__(self):
        size = self.image_size
        size = (size, size) if isinstance(size, int) else tuple(size)
        object.__setattr__(self, "image_size", size)
        for name in ("mean", "std"):  # JSON gives lists where a tuple was written
            value = getattr(self, name)
            object.__setattr__(self, name, tuple(value) if isinstance(value, list | tuple) else float(value))
        if len(size) != 2 or not all(isinstance(n, int) and n > 0 for n in size):
            raise ValueError(f"image_size={size!r}; it is a number of pixels, or a pair such as (96, 64)")
        if self.channels not in (1, 3):
            raise ValueError(f"channels={self.channels!r}; image files decode to 1 (grey) or 3 (RGB)")
        for name in ("mean", "std"):
            value = getattr(self, name)
            if isinstance(value, tuple) and len(value) != self.channels:
                raise ValueError(f"{name}={value!r} has {len(value)} numbers for {self.channels} channels")
        if min(self.std if isinstance(self.std, tuple) else (self.std,)) <= 0:
            raise ValueError(f"std={self.std!r}; every number of it must be above 0")
        if self.interpolation not in ("bilinear", "bicubic"):
            raise ValueError(f"interpolation={self.interpolation!r}; it is 'bilinear' or 'bicubic'")
        if not 0 < self.crop <= 1:
            raise ValueError(f"crop={self.crop!r}; the share of the tighter side that is kept lies in (0, 1]")

    def decode(self, encoded: tf.Tensor) -> tf.Tensor:
        """Decodes a scalar of JPEG, PNG, GIF, BMP or WebP bytes to uint8 (h, w, channels).

        Of an animation it takes the first frame, and of transparent pixels the colour. JPEG, PNG and
        WebP are turned the right way up by their EXIF orientation. Raises tf.errors.InvalidArgumentError, in a graph
        where it runs, for bytes that are no image, for kinds that aren't read (such as compressed BMP, TIFF and HEIC),
        and for more than `image_files.PIXELS` pixels.
        """
        return image_files.decode(encoded, self.channels)

    def __call__(self, images: Any) -> np.ndarray:
        """Returns images as a model takes them, a float32 batch (B, H, W, channels); of one image a batch of one.

        They are the path of a file, an image of Pillow, an array (h, w), (h, w, c) or (B, h, w, c) of whole numbers
        from 0 to 255, or a list of such images, whose sizes may differ. Grey and colours become each other; of RGBA the
        colour counts. Raises ValueError for what is no image or can't be read, and TypeError for what can be none.

        >>> prepare = keras_vit.preprocessing(model)
        >>> prepare("cat.png").shape, prepare(np.zeros((5, 48, 64, 3), "uint8")).shape
        ((1, 32, 32, 3), (5, 32, 32, 3))
        """
        prepared = [self.prepare(image).numpy() for image in each_image(images, self.channels)]
        if not prepared:
            raise ValueError("there is no image among those that were given; give one or more")
        return np.stack(prepared)

    def prepare(self, image: tf.Tensor) -> tf.Tensor:
        """Turns an image (h, w, channels) of 0 to 255 into the normalised float32 (H, W, channels)."""
        start, extent = self.middle(tf.shape(image)[:2])
        image = tf.slice(image, tf.concat([start, [0]], 0), tf.concat([extent, [self.channels]], 0))
        size, corner = self.fit(extent)
        cut = tf.slice(self.resize(image, size), [*tf.unstack(corner), 0], [*self.image_size, self.channels])
        return self.normalize(cut)

    def middle(self, size: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Returns the corner (y, x) and the size (h, w) of what is looked at of an image of `size`: nearly always all.

        Of an image that is very long or very high, which would fill the memory once resized, it is the middle.
        """
        target = np.array(self.image_size, "float32")
        least = tf.reduce_min(tf.cast(size, "float32") * (self.crop / target))  # pixels to one of the target
        most = tf.cast(tf.minimum(least * (_LONGEST / self.crop * target) + 1, 1e9), "int32")
        start = tf.maximum(size - most, 0) // 2
        return start, size - 2 * start

    def fit(self, size: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Returns the size (h, w) that an image of `size` is resized to, and the corner (y, x) of what is cut of it."""
        target, size = tf.constant(self.image_size), tf.cast(size, "float32")
        cover = tf.reduce_max(tf.cast(target, "float32") / self.crop / size)
        resized = tf.maximum(tf.cast(tf.round(size * cover), "int32"), target)
        return resized, (resized - target) // 2

    def resize(self, image: tf.Tensor, size: tf.Tensor) -> tf.Tensor:
        """Resizes an image (h, w, channels) to `size`, averaging what it shrinks; float32, 0 to 255."""
        image = tf.image.resize(image, size, method=self.interpolation, antialias=True)
        return tf.clip_by_value(image, 0.0, 255.0)  # bicubic overshoots at edges

    def normalize(self, image: tf.Tensor) -> tf.Tensor:
        """Turns float32 of 0 to 255 into (image / 255 - mean) / std, and states its shape."""
        image = (image / 255.0 - tf.constant(self.mean)) / tf.constant(self.std)
        return tf.ensure_shape(image, (*self.image_size, self.channels))

    def denormalize(self, images: np.ndarray) -> np.ndarray:
        """Turns the NumPy array of images (..., channels) that `normalize` gave back into float32 of 0 to 255.

        What lies beyond, such as the noise of erased boxes, is cut off.
        """
        return np.clip((images * self.std + self.mean) * 255.0, 0.0, 255.0).astype("float32")
