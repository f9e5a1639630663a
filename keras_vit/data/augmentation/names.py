"""The augmentations of training images, by name.

An augmentation, such as `augmentation(name)` gives, takes an image uint8 (h, w, channels), the Preprocessing and a
seed of two int64. It returns the normalised float32 (H, W, channels) and the Geometry by which masks, depth maps and
boxes follow; what it does to colours and noise is the image's alone. It is a pure function: Keras' own layers draw
from counters, so that a resumed training would see other images.
"""

import functools
import math
import re
from collections.abc import Callable

import tensorflow as tf

from keras_vit.data.augmentation import policies
from keras_vit.data.augmentation.geometry import IDENTITY, Geometry, fitted, window
from keras_vit.data.preprocessing import Preprocessing
from keras_vit.data.skipping import DataError

Augmentation = Callable[[tf.Tensor, Preprocessing, tf.Tensor], tuple[tf.Tensor, Geometry]]


def none(image: tf.Tensor, preprocessing: Preprocessing, seed: tf.Tensor) -> tuple[tf.Tensor, Geometry]:
    """Changes nothing."""
    del seed
    return preprocessing.prepare(image), fitted(image, preprocessing)


def affine(image: tf.Tensor, preprocessing: Preprocessing, seed: tf.Tensor) -> tuple[tf.Tensor, Geometry]:
    """Rotates by up to 10 degrees, zooms and shifts by up to 10 %, as handwriting varies; no flip."""
    geometry, image = fitted(image, preprocessing), preprocessing.prepare(image)
    height, width = preprocessing.image_size
    turn, zoom, down, right = tf.unstack(tf.random.stateless_uniform((4,), seed, -1.0, 1.0))
    cosine = tf.cos(turn * math.radians(10)) / (1 + 0.1 * zoom)
    sine = tf.sin(turn * math.radians(10)) / (1 + 0.1 * zoom)
    middle_x, middle_y = (width - 1) / 2, (height - 1) / 2
    x = middle_x - cosine * middle_x + sine * middle_y + 0.1 * width * right
    y = middle_y - sine * middle_x - cosine * middle_y + 0.1 * height * down
    moved = tf.raw_ops.ImageProjectiveTransformV3(
        images=image[None],
        transforms=tf.stack([cosine, -sine, x, sine, cosine, y, 0.0, 0.0])[None],
        output_shape=[height, width],
        fill_value=0.0,
        interpolation="BILINEAR",
        fill_mode="NEAREST",  # paper and ink go on beyond the edge; zero would be a third colour
    )
    # the middle of a pixel is at 0 for TensorFlow, at 0.5 for Geometry
    x, y = x + (1 - cosine + sine) / 2, y + (1 - sine - cosine) / 2
    geometry = geometry.then((cosine, -sine, x, sine, cosine, y), continued=True)
    return tf.ensure_shape(moved[0], image.shape), geometry


def flip_crop(image: tf.Tensor, preprocessing: Preprocessing, seed: tf.Tensor) -> tuple[tf.Tensor, Geometry]:
    """Pads each side by an eighth with zeros, crops back, flips half of the images (He et al., 2015)."""
    geometry, image = fitted(image, preprocessing), preprocessing.prepare(image)
    pads = [math.ceil(side / 8) for side in preprocessing.image_size]
    flip, crop = tf.unstack(tf.random.split(seed, 2))
    # three numbers, though a crop has two: tf.image.stateless_random_crop draws so, and what it drew must stay
    drawn = tf.random.stateless_uniform((3,), crop, maxval=tf.int32.max, dtype="int32")[:2]
    corner = drawn % (2 * tf.constant(pads) + 1)
    padded = tf.pad(image, [*([pad, pad] for pad in pads), [0, 0]])
    image = tf.slice(padded, [*tf.unstack(corner), 0], image.shape)
    down, right = tf.unstack(tf.cast(corner - pads, "float32"))
    return _flipped(image, geometry.then((1.0, 0.0, right, 0.0, 1.0, down)), flip)


def random_resized_crop(image: tf.Tensor, preprocessing: Preprocessing, seed: tf.Tensor) -> tuple[tf.Tensor, Geometry]:
    """Cuts 8 to 100 % of the area, at 3/4 to 4/3 of the proportions; flips half (Szegedy et al., 2014)."""
    image, geometry = _crop_resize_flip(image, preprocessing, seed)
    return preprocessing.normalize(image), geometry


def randaugment(
    image: tf.Tensor, preprocessing: Preprocessing, seed: tf.Tensor, magnitude: float = 9.0
) -> tuple[tf.Tensor, Geometry]:
    """Crops and flips as random_resized_crop does, then changes by RandAugment (Touvron et al., 2021: DeiT).

    `magnitude` is 0 to 10.
    """
    crop, change = tf.unstack(tf.random.split(seed, 2))
    mean = tf.broadcast_to(tf.constant(preprocessing.mean) * 255.0, (preprocessing.channels,))
    image, geometry = _crop_resize_flip(image, preprocessing, crop)
    image = _whole(image, preprocessing)
    image, matrices = policies.rand_augment(image, change, tf.round(mean), magnitude=magnitude)
    for matrix in matrices:
        geometry = geometry.then(matrix)
    return preprocessing.normalize(tf.cast(image, "float32")), geometry


def three_augment(image: tf.Tensor, preprocessing: Preprocessing, seed: tf.Tensor) -> tuple[tf.Tensor, Geometry]:
    """Crops and flips as random_resized_crop does, then changes by 3-Augment (Touvron et al., 2022: DeiT III)."""
    crop, change = tf.unstack(tf.random.split(seed, 2))
    image, geometry = _crop_resize_flip(image, preprocessing, crop)
    changed = policies.three_augment(_whole(image, preprocessing), change)
    return preprocessing.normalize(tf.cast(changed, "float32")), geometry


def _crop_resize_flip(image, preprocessing, seed):
    """Returns the random crop, maybe mirrored, as float32 (H, W, channels) of 0 to 255, and its Geometry."""
    height, width = preprocessing.image_size
    flip, crop = tf.unstack(tf.random.split(seed, 2))
    begin, size, _ = tf.image.stateless_sample_distorted_bounding_box(
        tf.shape(image),
        tf.zeros((1, 0, 4)),  # no boxes to cover: the whole image may be cropped
        crop,
        min_object_covered=0.0,
        aspect_ratio_range=(0.75 * width / height, width / height / 0.75),
        area_range=(0.08, 1.0),
        max_attempts=10,
        use_image_if_no_bounding_boxes=True,
    )
    geometry = window(image, begin[:2], size[:2], preprocessing.image_size)
    image = preprocessing.resize(tf.slice(image, begin, size), preprocessing.image_size)
    return _flipped(image, geometry, flip)


def _flipped(image, geometry, seed):
    """Mirrors half of the images."""
    flip = tf.random.stateless_uniform((), seed) < 0.5
    mirrored = (-1.0, 0.0, geometry.size[1], 0.0, 1.0, 0.0)
    matrix = tf.where(flip, tf.constant(mirrored, "float32"), tf.constant(IDENTITY))
    image = tf.ensure_shape(tf.cond(flip, lambda: tf.reverse(image, [1]), lambda: image), image.shape)
    return image, geometry.then(tuple(tf.unstack(matrix)))


def _whole(image, preprocessing):
    """Rounds to uint8, as image files are, and states the shape."""
    return tf.ensure_shape(tf.cast(tf.round(image), "uint8"), (*preprocessing.image_size, preprocessing.channels))


AUGMENTATIONS: dict[str, Augmentation] = {
    "none": none,
    "affine": affine,
    "flip-crop": flip_crop,
    "random-resized-crop": random_resized_crop,
    "randaugment": randaugment,
    "three-augment": three_augment,
}


def augmentation(name: str) -> Augmentation:
    """Returns the augmentation called `name`, one of `AUGMENTATIONS` or such as "randaugment-7"; DataError if none."""
    if name in AUGMENTATIONS:
        return AUGMENTATIONS[name]
    if (found := re.fullmatch(r"randaugment-(\d+(?:\.\d+)?)", str(name))) and float(found[1]) <= 10:
        return functools.partial(randaugment, magnitude=float(found[1]))
    known = ", ".join(AUGMENTATIONS)
    raise DataError(f"no augmentation {name!r}; it is one of {known}, or randaugment-MAGNITUDE from 0 to 10")
