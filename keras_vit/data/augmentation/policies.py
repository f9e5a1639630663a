"""Random choices among operations, and random erasing, as the recipes of the papers make them.

Each is a pure function of the image and a seed of two int64. Keras' layers of these names draw from counters of
their own, so that a resumed training would see other images.
"""

import math

import tensorflow as tf

from keras_vit.data.augmentation import operations

# Each takes (image, level from 0 to 1, sign of 1 or -1, fill); all grow stronger with the level but the first three.
RAND_AUGMENT = {
    "auto contrast": lambda x, level, sign, fill: operations.auto_contrast(x),
    "equalize": lambda x, level, sign, fill: operations.equalize(x),
    "invert": lambda x, level, sign, fill: operations.invert(x),
    "rotate": lambda x, level, sign, fill: operations.rotate(x, sign * level * 30, fill),
    "posterize": lambda x, level, sign, fill: operations.posterize(x, 4 - tf.cast(level * 4, "int32")),
    "solarize": lambda x, level, sign, fill: operations.solarize(x, 256 - tf.cast(level * 256, "int32")),
    "solarize add": lambda x, level, sign, fill: operations.solarize_add(x, tf.cast(level * 110, "int32")),
    "color": lambda x, level, sign, fill: operations.color(x, 1 + sign * level * 0.9),
    "contrast": lambda x, level, sign, fill: operations.contrast(x, 1 + sign * level * 0.9),
    "brightness": lambda x, level, sign, fill: operations.brightness(x, 1 + sign * level * 0.9),
    "sharpness": lambda x, level, sign, fill: operations.sharpness(x, 1 + sign * level * 0.9),
    "shear x": lambda x, level, sign, fill: operations.shear_x(x, sign * level * 0.3, fill),
    "shear y": lambda x, level, sign, fill: operations.shear_y(x, sign * level * 0.3, fill),
    "translate x": lambda x, level, sign, fill: operations.translate_x(x, sign * level * 0.45, fill),
    "translate y": lambda x, level, sign, fill: operations.translate_y(x, sign * level * 0.45, fill),
}


def rand_augment(image, seed, fill, count=2, magnitude=9.0, spread=0.5, probability=0.5):
    """Changes an image uint8 (h, w, channels) by `count` operations drawn from 15, each done with `probability`.

    Cubuk et al. 2019 (arXiv 1909.13719), in the form that DeiT trained with ("rand-m9-mstd0.5-inc1"):
    levels are normal around `magnitude` with standard deviation `spread`, cut to 0 to 10, and all enhancements
    grow with them. `fill` (channels,) is shown where geometry leaves nothing.
    """
    for each in tf.unstack(tf.random.split(seed, count)):
        which, done, towards, strength = tf.unstack(tf.random.split(each, 4))
        level = magnitude + spread * tf.random.stateless_normal((), strength)
        level = tf.clip_by_value(level / 10, 0.0, 1.0)
        sign = tf.where(tf.random.stateless_uniform((), towards) < 0.5, -1.0, 1.0)
        choices = [_bound(change, image, level, sign, fill) for change in RAND_AUGMENT.values()]
        drawn = tf.random.stateless_uniform((), which, 0, len(choices), "int32")
        keep = tf.random.stateless_uniform((), done) >= probability
        image = tf.switch_case(tf.where(keep, len(choices), drawn), [*choices, _bound(tf.identity, image)])
    return image


def three_augment(image, seed, jitter=0.3):
    """Takes the colour out, solarises or blurs, one of the three; then changes brightness, contrast and colour.

    DeiT III, Touvron et al. 2022 (arXiv 2204.07118). Factors lie from 1 - `jitter` to 1 + `jitter`, in random order.
    """
    which, how, order, factors = tf.unstack(tf.random.split(seed, 4))
    radius = tf.random.stateless_uniform((), how, 0.1, 2.0)
    image = tf.switch_case(
        tf.random.stateless_uniform((), which, 0, 3, "int32"),
        [
            _bound(operations.grey, image),
            _bound(operations.solarize, image, 128),
            _bound(operations.gaussian_blur, image, radius),
        ],
    )
    order = tf.argsort(tf.random.stateless_uniform((3,), order))
    factors = tf.random.stateless_uniform((3,), factors, 1 - jitter, 1 + jitter)
    for i in range(3):
        enhancements = (operations.brightness, operations.contrast, operations.color)
        image = tf.switch_case(order[i], [_bound(change, image, factors[i]) for change in enhancements])
    return image


def erase(image, seed, probability=0.25, area=(0.02, 1 / 3), aspect=(0.3, 1 / 0.3)):
    """Fills a box of a normalised image (h, w, channels) with normal noise, with `probability`.

    Zhong et al. 2017 (arXiv 1708.04896). The box has a share of the image's `area` and a height of
    `aspect` times its width, drawn from these ranges again, up to ten times, until it fits into the image.
    """
    height, width, _ = image.shape
    whether, sizes, place, noise = tf.unstack(tf.random.split(seed, 4))
    size, shape = tf.unstack(tf.random.stateless_uniform((2, 10), sizes))
    size = (area[0] + (area[1] - area[0]) * size) * height * width
    shape = tf.exp(math.log(aspect[0]) + math.log(aspect[1] / aspect[0]) * shape)
    tall, wide = tf.round(tf.sqrt(size * shape)), tf.round(tf.sqrt(size / shape))
    fits = (tall < height) & (wide < width)
    first = tf.argmax(fits)
    y, x = tf.unstack(tf.random.stateless_uniform((2,), place))
    box = _within(height, y, tall[first])[:, None] & _within(width, x, wide[first])[None, :]
    done = (tf.random.stateless_uniform((), whether) < probability) & tf.reduce_any(fits)
    noise = tf.random.stateless_normal(image.shape, noise)
    return tf.where((box & done)[..., None], noise, image)


def _within(length, place, size):
    """Returns which of `length` pixels lie in a stretch of `size` of them, at `place` of where it fits, a share."""
    start = tf.floor(place * (length - size + 1))
    pixels = tf.range(length, dtype="float32")
    return (pixels >= start) & (pixels < start + size)


def _bound(change, *arguments):
    return lambda: change(*arguments)
