"""Changes of images against Pillow's."""

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image, ImageEnhance, ImageFilter, ImageOps

from keras_vit.data.augmentation import operations

FILL = (124, 116, 104)


def noise(channels):
    rng = np.random.default_rng(3)
    return rng.integers(20, 230, (31, 23, channels), dtype="uint8")


def smooth():
    """An image as photographs are: large spots of different brightness."""
    coarse = Image.fromarray(np.random.default_rng(4).integers(0, 256, (7, 5, 3), dtype="uint8"))
    return np.asarray(coarse.resize((53, 61), Image.Resampling.BICUBIC))


def picture(image):
    return Image.fromarray(image[..., 0] if image.shape[-1] == 1 else image)


def array(picture, like):
    return np.asarray(picture).reshape(like.shape)


def solarized_add(picture, added):
    return picture.point([min(255, i + added) if i < 128 else i for i in range(256)] * len(picture.getbands()))


def transformed(picture, matrix):
    fill = FILL if picture.mode == "RGB" else FILL[0]
    return picture.transform(picture.size, Image.Transform.AFFINE, matrix, Image.Resampling.BILINEAR, fillcolor=fill)


EXACT = {
    "invert": (operations.invert, ImageOps.invert),
    "auto_contrast": (operations.auto_contrast, ImageOps.autocontrast),
    "equalize": (operations.equalize, ImageOps.equalize),
    "grey": (operations.grey, lambda p: p.convert("L").convert(p.mode)),
    **{
        f"solarize {n}": (lambda x, n=n: operations.solarize(x, n), lambda p, n=n: ImageOps.solarize(p, n))
        for n in (26, 128, 256)
    },
    **{
        f"solarize_add {n}": (lambda x, n=n: operations.solarize_add(x, n), lambda p, n=n: solarized_add(p, n))
        for n in (7, 99, 110)
    },
    **{
        f"posterize {n}": (lambda x, n=n: operations.posterize(x, n), lambda p, n=n: ImageOps.posterize(p, n))
        for n in (1, 3, 8)
    },
}


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("name", EXACT)
def test_operation_equals_pillows(name, channels):
    ours, theirs = EXACT[name]
    image = noise(channels)
    np.testing.assert_array_equal(ours(tf.constant(image)), array(theirs(picture(image)), image))


@pytest.mark.parametrize("factor", [0.0, 0.1, 0.7, 1.0, 1.9])
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("name", ["brightness", "contrast", "color", "sharpness"])
def test_enhancement_equals_pillows(name, channels, factor):
    image = noise(channels)
    got = getattr(operations, name)(tf.constant(image), factor).numpy()
    expected = array(getattr(ImageEnhance, name.title())(picture(image)).enhance(factor), image)
    # a value that comes to lie on a whole number may be cut to the one below
    assert np.abs(got.astype(int) - expected).max() <= 1 and (got != expected).mean() < 0.01


AFFINE = {
    "shear_x": lambda v: (1, v, 0, 0, 1, 0),
    "shear_y": lambda v: (1, 0, 0, v, 1, 0),
    "translation_x": lambda v: (1, 0, v * 23, 0, 1, 0),
    "translation_y": lambda v: (1, 0, 0, 0, 1, v * 31),
}


@pytest.mark.parametrize("value", [-0.27, 0.13, 0.4])
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("name", AFFINE)
def test_geometry_equals_pillows(name, channels, value):
    image = noise(channels)
    got = operations.affine(tf.constant(image), getattr(operations, name)(image, value), FILL[:channels]).numpy()
    assert_close(got, array(transformed(picture(image), AFFINE[name](value)), image))


@pytest.mark.parametrize("degrees", [-27.0, 13.0, 30.0])
def test_rotation_equals_pillows(degrees):
    image = noise(3)
    got = operations.affine(tf.constant(image), operations.rotation(image, degrees), FILL).numpy()
    expected = picture(image).rotate(degrees, Image.Resampling.BILINEAR, fillcolor=FILL)
    assert_close(got, np.asarray(expected))


def assert_close(got, expected):
    """Equal but for rounding, and for a pixel that lies just on the edge."""
    off = np.abs(got.astype(int) - expected).max(-1) > 1
    assert off.mean() < 0.005, f"{off.sum()} of {off.size} pixels differ"


@pytest.mark.parametrize("radius", [0.1, 0.7, 2.0])
def test_blur_is_gaussian_and_near_pillows(radius):
    ndimage = pytest.importorskip("scipy.ndimage")
    image = smooth()
    got = operations.gaussian_blur(tf.constant(image), radius).numpy().astype(int)
    expected = ndimage.gaussian_filter(image.astype(float), radius, mode="nearest", radius=6, axes=(0, 1))
    assert np.abs(got - expected).max() <= 0.51
    assert np.abs(got - np.asarray(picture(image).filter(ImageFilter.GaussianBlur(radius)))).max() <= 3


@pytest.mark.parametrize("name", ["auto_contrast", "equalize"])
@pytest.mark.parametrize("value", [0, 117, 255])
def test_image_of_one_value_stays(name, value):
    image = np.full((5, 7, 3), value, "uint8")
    np.testing.assert_array_equal(getattr(operations, name)(tf.constant(image)), image)
