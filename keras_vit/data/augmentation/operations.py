"""Changes of colour and geometry of an image uint8 (h, w, 1 or 3), each equal to Pillow's of that name.

The recipes of the papers were tuned with Pillow's, down to its roundings. TensorFlow ops, of which a graph runs only
the one that is drawn; Keras' layers compute all of them and choose afterwards.
"""

import math

import tensorflow as tf

from keras_vit.data.augmentation.geometry import Matrix


def invert(image: tf.Tensor) -> tf.Tensor:
    """Turns light into dark."""
    return 255 - image


def solarize(image: tf.Tensor, threshold: tf.Tensor) -> tf.Tensor:
    """Inverts all values that are not below `threshold`."""
    return tf.where(tf.cast(image, "int32") < threshold, image, 255 - image)


def solarize_add(image: tf.Tensor, added: tf.Tensor, threshold: int = 128) -> tf.Tensor:
    """Adds the whole number `added` to all values below `threshold`."""
    wide = tf.cast(image, "int32")
    return _uint8(tf.where(wide < threshold, wide + added, wide))


def posterize(image: tf.Tensor, bits: tf.Tensor) -> tf.Tensor:
    """Keeps the `bits` highest bits of each value."""
    shift = tf.cast(8 - bits, "int32")
    wide = tf.cast(image, "int32")
    return tf.cast(tf.bitwise.left_shift(tf.bitwise.right_shift(wide, shift), shift), "uint8")


def auto_contrast(image: tf.Tensor) -> tf.Tensor:
    """Stretches the values of each channel to 0 to 255."""
    flat = tf.cast(tf.reshape(image, (-1, image.shape[-1])), "float64")
    low, high = tf.reduce_min(flat, axis=0), tf.reduce_max(flat, axis=0)
    scale = 255 / tf.maximum(high - low, 1)
    stretched = _uint8(tf.cast(image, "float64") * scale - low * scale)
    return tf.where(high > low, stretched, image)


def equalize(image: tf.Tensor) -> tf.Tensor:
    """Makes all values of a channel about equally frequent."""
    return tf.stack([_equalize(channel) for channel in tf.unstack(image, axis=-1)], axis=-1)


def _equalize(channel):
    counts = tf.math.bincount(tf.cast(channel, "int32"), minlength=256)
    highest = tf.gather(counts, tf.reduce_max(tf.where(counts > 0)))
    step = (tf.reduce_sum(counts) - highest) // 255
    table = (step // 2 + tf.cumsum(counts, exclusive=True)) // tf.maximum(step, 1)
    return tf.where(step > 0, _uint8(tf.gather(table, tf.cast(channel, "int32"))), channel)


def brightness(image: tf.Tensor, factor: tf.Tensor) -> tf.Tensor:
    """Multiplies by `factor`; 1 changes nothing."""
    return _blend(tf.zeros_like(image), image, factor)


def contrast(image: tf.Tensor, factor: tf.Tensor) -> tf.Tensor:
    """Moves away from the mean grey by `factor`; 0 leaves only grey, 1 changes nothing."""
    mean = tf.reduce_mean(tf.cast(grey(image)[..., :1], "float64"))
    return _blend(tf.cast(tf.floor(mean + 0.5), "uint8"), image, factor)


def color(image: tf.Tensor, factor: tf.Tensor) -> tf.Tensor:
    """Moves away from the grey image by `factor`; 0 is without colour, 1 changes nothing."""
    return _blend(grey(image), image, factor)


def sharpness(image: tf.Tensor, factor: tf.Tensor) -> tf.Tensor:
    """Moves away from a blurred image by `factor`; 0 is blurred, 1 changes nothing."""
    channels = image.shape[-1]
    kernel = tf.constant([[1.0, 1, 1], [1, 5, 1], [1, 1, 1]]) / 13
    kernel = tf.tile(kernel[:, :, None, None], (1, 1, channels, 1))
    wide = tf.cast(image, "float32")
    inner = tf.floor(tf.nn.depthwise_conv2d(wide[None], kernel, [1, 1, 1, 1], "VALID")[0] + 0.5)
    inside = tf.pad(tf.ones_like(inner, "bool"), [[1, 1], [1, 1], [0, 0]])
    blurred = tf.where(inside, tf.pad(inner, [[1, 1], [1, 1], [0, 0]]), wide)  # the border stays
    return _blend(_uint8(blurred), image, factor)


def grey(image: tf.Tensor) -> tf.Tensor:
    """Takes the colour out (ITU-R 601-2 luma), keeping the number of channels."""
    if image.shape[-1] == 1:
        return image
    red, green, blue = tf.unstack(tf.cast(image, "int32"), axis=-1)
    luma = tf.bitwise.right_shift(red * 19595 + green * 38470 + blue * 7471 + 0x8000, 16)
    return tf.tile(tf.cast(luma, "uint8")[..., None], (1, 1, 3))


def gaussian_blur(image: tf.Tensor, radius: tf.Tensor) -> tf.Tensor:
    """Blurs by a Gaussian whose standard deviation is `radius` pixels, at most 2; the border goes on beyond the edge.

    Pillow approximates the Gaussian by boxes; this is the Gaussian itself.
    """
    reach = 6  # 3 standard deviations
    weights = tf.exp(-0.5 * tf.square(tf.range(-reach, reach + 1, dtype="float32") / radius))
    weights = weights / tf.reduce_sum(weights)
    wide = tf.cast(image, "float32")
    for axis in (0, 1):
        count = wide.shape[axis]
        parts = [
            weight * tf.gather(wide, tf.clip_by_value(tf.range(count) + offset, 0, count - 1), axis=axis)
            for offset, weight in enumerate(tf.unstack(weights), start=-reach)
        ]
        wide = tf.add_n(parts)
    return _uint8(tf.round(wide))


def rotation(image: tf.Tensor, degrees: tf.Tensor) -> Matrix:
    """Turns counterclockwise about the middle."""
    angle = -degrees * math.pi / 180
    cosine, sine = tf.cos(angle), tf.sin(angle)
    x, y = image.shape[1] / 2, image.shape[0] / 2
    return cosine, sine, x - cosine * x - sine * y, -sine, cosine, y + sine * x - cosine * y


def shear_x(image: tf.Tensor, factor: tf.Tensor) -> Matrix:
    """Moves each row by `factor` times its height."""
    return 1.0, factor, 0.0, 0.0, 1.0, 0.0


def shear_y(image: tf.Tensor, factor: tf.Tensor) -> Matrix:
    """Moves each column by `factor` times its distance from the left."""
    return 1.0, 0.0, 0.0, factor, 1.0, 0.0


def translation_x(image: tf.Tensor, fraction: tf.Tensor) -> Matrix:
    """Moves to the left by `fraction` of the width."""
    return 1.0, 0.0, fraction * image.shape[1], 0.0, 1.0, 0.0


def translation_y(image: tf.Tensor, fraction: tf.Tensor) -> Matrix:
    """Moves up by `fraction` of the height."""
    return 1.0, 0.0, 0.0, 0.0, 1.0, fraction * image.shape[0]


def affine(image: tf.Tensor, matrix: Matrix, fill: tf.Tensor) -> tf.Tensor:
    """Moves the image by `matrix`, bilinear, and shows `fill` (channels,) where there is nothing of it."""
    a, b, c, d, e, f = (tf.cast(each, "float32") for each in matrix)
    height, width = image.shape[:2]
    # the middle of a pixel is at 0.5 for Pillow, at 0 for TensorFlow
    moved = [a, b, c + (a + b - 1) / 2, d, e, f + (d + e - 1) / 2, 0.0, 0.0]
    shown = tf.raw_ops.ImageProjectiveTransformV3(
        images=tf.cast(image, "float32")[None],
        transforms=tf.stack(moved)[None],
        output_shape=[height, width],
        fill_value=0.0,
        interpolation="BILINEAR",
        fill_mode="NEAREST",
    )[0]
    x, y = tf.range(width, dtype="float32")[None, :] + 0.5, tf.range(height, dtype="float32")[:, None] + 0.5
    from_x, from_y = a * x + b * y + c, d * x + e * y + f
    there = (from_x >= 0) & (from_x < width) & (from_y >= 0) & (from_y < height)
    shown = tf.where(there[..., None], shown, tf.cast(fill, "float32"))
    return tf.ensure_shape(_uint8(tf.floor(shown + 0.5)), image.shape)


def _blend(start, end, factor):
    start, end = tf.cast(start, "float32"), tf.cast(end, "float32")
    return _uint8(start + tf.cast(factor, "float32") * (end - start))


def _uint8(image):
    return tf.cast(tf.clip_by_value(image, 0, 255), "uint8")  # drops the fraction
