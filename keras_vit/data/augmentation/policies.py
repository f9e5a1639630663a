"""Random choices among operations, and random erasing, as the recipes of the papers make them.

Each is a pure function of the image and a seed of two int64. Keras' layers of these names draw from counters of
their own, so that a resumed training would see other images.
"""

import math
from collections.abc import Callable

import tensorflow as tf

from keras_vit.data.augmentation import operations
from keras_vit.data.augmentation.geometry import IDENTITY, Matrix

Change = Callable[..., tuple[tf.Tensor, tf.Tensor]]


def _recoloured(change: Callable) -> Change:
    """Returns the change (image, level, sign, fill) -> (image, Matrix (6,)) whose pixels stay where they are."""
    return lambda image, level, sign, fill: (change(image, level, sign), tf.constant(IDENTITY))


def _moved(matrix_of: Callable) -> Change:
    """Returns the change (image, level, sign, fill) -> (image, Matrix (6,)) that moves an image by a drawn matrix."""

    def change(image, level, sign, fill):
        matrix = matrix_of(image, sign * level)
        return operations.affine(image, matrix, fill), _packed(matrix)

    return change


# Levels are 0 to 1, signs 1 or -1; all changes grow stronger with the level but the first three.
RAND_AUGMENT: dict[str, Change] = {
    "auto contrast": _recoloured(lambda x, level, sign: operations.auto_contrast(x)),
    "equalize": _recoloured(lambda x, level, sign: operations.equalize(x)),
    "invert": _recoloured(lambda x, level, sign: operations.invert(x)),
    "rotate": _moved(lambda x, level: operations.rotation(x, level * 30)),
    "posterize": _recoloured(lambda x, level, sign: operations.posterize(x, 4 - tf.cast(level * 4, "int32"))),
    "solarize": _recoloured(lambda x, level, sign: operations.solarize(x, 256 - tf.cast(level * 256, "int32"))),
    "solarize add": _recoloured(lambda x, level, sign: operations.solarize_add(x, tf.cast(level * 110, "int32"))),
    "color": _recoloured(lambda x, level, sign: operations.color(x, 1 + sign * level * 0.9)),
    "contrast": _recoloured(lambda x, level, sign: operations.contrast(x, 1 + sign * level * 0.9)),
    "brightness": _recoloured(lambda x, level, sign: operations.brightness(x, 1 + sign * level * 0.9)),
    "sharpness": _recoloured(lambda x, level, sign: operations.sharpness(x, 1 + sign * level * 0.9)),
    "shear x": _moved(lambda x, level: operations.shear_x(x, level * 0.3)),
    "shear y": _moved(lambda x, level: operations.shear_y(x, level * 0.3)),
    "translate x": _moved(lambda x, level: operations.translation_x(x, level * 0.45)),
    "translate y": _moved(lambda x, level: operations.translation_y(x, level * 0.45)),
}


def rand_augment(
    image: tf.Tensor,
    seed: tf.Tensor,
    fill: tf.Tensor,
    *,
    count: int = 2,
    magnitude: float = 9.0,
    spread: float = 0.5,
    probability: float = 0.5,
) -> tuple[tf.Tensor, list[Matrix]]:
    """Changes an image uint8 (h, w, channels) by `count` operations drawn from 15, each done with `probability`.

    Returns the image and by what each operation moved it.

    Cubuk et al. 2019 (arXiv 1909.13719), in the form that DeiT trained with ("rand-m9-mstd0.5-inc1"):
    levels are normal around `magnitude` with standard deviation `spread`, cut to 0 to 10, and all enhancements
    grow with them. `fill` (channels,) is shown where geometry leaves nothing.
    """
    matrices = []
    for each in tf.unstack(tf.random.split(seed, count)):
        which, done, towards, strength = tf.unstack(tf.random.split(each, 4))
        level = magnitude + spread * tf.random.stateless_normal((), strength)
        level = tf.clip_by_value(level / 10, 0.0, 1.0)
        sign = tf.where(tf.random.stateless_uniform((), towards) < 0.5, -1.0, 1.0)
        choices = [_bound(change, image, level, sign, fill) for change in RAND_AUGMENT.values()]
        drawn = tf.random.stateless_uniform((), which, 0, len(choices), "int32")
        keep = tf.random.stateless_uniform((), done) >= probability
        choices.append(_bound(_recoloured(lambda x, *_: tf.identity(x)), image, level, sign, fill))
        image, matrix = tf.switch_case(tf.where(keep, len(choices) - 1, drawn), choices)
        matrices.append(tuple(tf.unstack(matrix)))
    return image, matrices


def three_augment(image: tf.Tensor, seed: tf.Tensor, jitter: float = 0.3) -> tf.Tensor:
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


def erase(
    image: tf.Tensor,
    seed: tf.Tensor,
    probability: float = 0.25,
    area: tuple[float, float] = (0.02, 1 / 3),
    aspect: tuple[float, float] = (0.3, 1 / 0.3),
) -> tf.Tensor:
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


def _packed(matrix):
    """Returns a Matrix as one tensor, of which a switch has less to pass on than of six."""
    return tf.stack([tf.cast(each, "float32") for each in matrix])


def _bound(change, *arguments):
    return lambda: change(*arguments)
