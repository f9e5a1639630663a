"""Random changes of training images, each a pure function of its seed.

An augmentation, such as `augmentation(name)` gives, takes an image uint8 (h, w, channels), the Preprocessing and a
seed of two int64, and returns the normalised float32 (H, W, channels).
"""

import functools
import math
import re

import tensorflow as tf

from keras_vit.data.augmentation import policies
from keras_vit.data.skipping import DataError


def none(image, preprocessing, seed):
    """Changes nothing."""
    del seed
    return preprocessing(image)


def affine(image, preprocessing, seed):
    """Rotates by up to 10 degrees, zooms and shifts by up to 10 %, as handwriting varies; no flip."""
    image = preprocessing(image)
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
    return tf.ensure_shape(moved[0], image.shape)


def flip_crop(image, preprocessing, seed):
    """Pads each side by an eighth with zeros, crops back, flips half of the images (He et al., 2015)."""
    image = preprocessing(image)
    pads = [[math.ceil(side / 8)] * 2 for side in preprocessing.image_size]
    flip, crop = tf.unstack(tf.random.split(seed, 2))
    image = tf.image.stateless_random_crop(tf.pad(image, [*pads, [0, 0]]), image.shape, crop)
    return tf.image.stateless_random_flip_left_right(image, flip)


def random_resized_crop(image, preprocessing, seed):
    """Cuts 8 to 100 % of the area, at 3/4 to 4/3 of the proportions; flips half (Szegedy et al., 2014)."""
    return preprocessing.normalize(_crop_resize_flip(image, preprocessing, seed))


def randaugment(image, preprocessing, seed, magnitude=9.0):
    """Crops and flips as random_resized_crop does, then changes by RandAugment (Touvron et al., 2021: DeiT).

    `magnitude` is 0 to 10.
    """
    crop, change = tf.unstack(tf.random.split(seed, 2))
    mean = tf.broadcast_to(tf.constant(preprocessing.mean) * 255.0, (preprocessing.channels,))
    image = _whole(_crop_resize_flip(image, preprocessing, crop), preprocessing)
    changed = policies.rand_augment(image, change, tf.round(mean), magnitude=magnitude)
    return preprocessing.normalize(tf.cast(changed, "float32"))


def three_augment(image, preprocessing, seed):
    """Crops and flips as random_resized_crop does, then changes by 3-Augment (Touvron et al., 2022: DeiT III)."""
    crop, change = tf.unstack(tf.random.split(seed, 2))
    image = _whole(_crop_resize_flip(image, preprocessing, crop), preprocessing)
    return preprocessing.normalize(tf.cast(policies.three_augment(image, change), "float32"))


def _crop_resize_flip(image, preprocessing, seed):
    """Returns the random crop, maybe mirrored, as float32 (H, W, channels) of 0 to 255."""
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
    image = preprocessing.resize(tf.slice(image, begin, size), preprocessing.image_size)
    return tf.image.stateless_random_flip_left_right(image, flip)


def _whole(image, preprocessing):
    """Rounds to uint8, as image files are, and states the shape."""
    return tf.ensure_shape(tf.cast(tf.round(image), "uint8"), (*preprocessing.image_size, preprocessing.channels))


AUGMENTATIONS = {
    "none": none,
    "affine": affine,
    "flip-crop": flip_crop,
    "random-resized-crop": random_resized_crop,
    "randaugment": randaugment,
    "three-augment": three_augment,
}


def augmentation(name):
    """Returns the augmentation called `name`, one of `AUGMENTATIONS` or such as "randaugment-7"; DataError if none."""
    if name in AUGMENTATIONS:
        return AUGMENTATIONS[name]
    if (found := re.fullmatch(r"randaugment-(\d+(?:\.\d+)?)", str(name))) and float(found[1]) <= 10:
        return functools.partial(randaugment, magnitude=float(found[1]))
    known = ", ".join(AUGMENTATIONS)
    raise DataError(f"no augmentation {name!r}; it is one of {known}, or randaugment-MAGNITUDE from 0 to 10")
