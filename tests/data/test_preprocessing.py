"""Preprocessing against Pillow and NumPy written out."""

import dataclasses
import io
import json

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from keras_vit.data import Preprocessing, augmentation


def picture(height, width, channels, seed=0):
    """A smooth random image uint8 (height, width, channels)."""
    small = np.random.default_rng(seed).integers(0, 256, (5, 7, channels), dtype="uint8")
    planes = [Image.fromarray(small[..., c]).resize((width, height), Image.BICUBIC) for c in range(channels)]
    return np.stack(planes, -1)


def encode(image, kind, **options):
    memory = io.BytesIO()
    Image.fromarray(image[..., 0] if image.shape[-1] == 1 else image).save(memory, kind, **options)
    return memory.getvalue()


def reference(image, target, crop, method, mean, std):
    """Resize by Pillow in floating point, then centre crop and normalisation in NumPy."""
    scale = max(side / crop / old for side, old in zip(target, image.shape, strict=False))
    size = [max(round(old * scale), side) for side, old in zip(target, image.shape, strict=False)]
    planes = [Image.fromarray(plane.astype("float32")) for plane in np.moveaxis(image, -1, 0)]
    image = np.stack([np.asarray(plane.resize(size[::-1], method)) for plane in planes], -1)
    top, left = ((old - side) // 2 for old, side in zip(size, target, strict=True))
    image = np.clip(image[top : top + target[0], left : left + target[1]], 0, 255)
    return (image / 255 - np.array(mean)) / np.array(std)


@pytest.mark.parametrize("method", ["bilinear", "bicubic"])
@pytest.mark.parametrize(
    ("shape", "target", "crop"),
    [
        ((127, 83, 3), (96, 64), 1.0),  # shrinks, cuts the height
        ((37, 53, 3), (96, 64), 1.0),  # grows, cuts the width
        ((113, 61, 1), (29, 31), 0.875),
        ((61, 113, 3), (11, 17), 0.6),
        ((8, 8, 1), (32, 32), 1.0),
    ],
)
def test_image_is_resized_cropped_and_normalised_as_pillow_does(shape, target, crop, method):
    image = picture(*shape)
    mean, std = ((0.2, 0.3, 0.5), (0.3, 0.4, 0.7)) if shape[-1] == 3 else (0.4, 0.3)
    preprocessing = Preprocessing(target, shape[-1], mean, std, method, crop)
    got = preprocessing.prepare(image).numpy()
    want = reference(image, target, crop, getattr(Image, method.upper()), mean, std)
    assert got.dtype == np.float32 and got.shape == (*target, shape[-1])
    np.testing.assert_allclose(got, want, atol=2e-3)


def test_image_of_the_right_size_is_only_normalised():
    image = picture(17, 13, 3)
    got = Preprocessing((17, 13)).prepare(image).numpy()
    np.testing.assert_allclose(got, image / 255 * 2 - 1, atol=1e-6)


@pytest.mark.parametrize("kind", ["PNG", "BMP"])
@pytest.mark.parametrize("channels", [1, 3])
def test_lossless_bytes_decode_to_the_same_pixels(kind, channels):
    image = picture(19, 23, channels)
    got = Preprocessing(channels=channels).decode(encode(image, kind))
    np.testing.assert_array_equal(got, image)


@pytest.mark.parametrize("kind", ["JPEG", "GIF", "WEBP", "BMP", "PNG"])
@pytest.mark.parametrize("channels", [1, 3])
def test_colour_file_decodes_to_the_wanted_channels(kind, channels):
    image = picture(19, 23, 3)
    encoded = encode(image, kind)
    opened = Image.open(io.BytesIO(encoded)).convert("RGB" if channels == 3 else "L")
    got = Preprocessing(channels=channels).decode(encoded).numpy().astype(int)
    assert got.shape == (19, 23, channels)
    assert np.abs(got - np.asarray(opened).reshape(got.shape)).mean() < 3


@pytest.mark.parametrize("bad", [b"", b"BM", b"no image at all", encode(picture(19, 23, 3), "PNG")[:-40]])
@pytest.mark.parametrize("channels", [1, 3])
def test_bytes_that_are_no_image_raise_an_invalid_argument_in_a_graph(bad, channels):
    decode = tf.function(Preprocessing(channels=channels).decode).get_concrete_function(tf.TensorSpec((), "string"))
    with pytest.raises(tf.errors.InvalidArgumentError):
        decode(tf.constant(bad))


def test_graph_from_bytes_has_a_static_shape():
    preprocessing = Preprocessing((29, 31), 1)

    @tf.function(input_signature=[tf.TensorSpec((), "string")])
    def graph(encoded):
        return preprocessing.prepare(preprocessing.decode(encoded))

    assert graph.get_concrete_function().output_shapes == (29, 31, 1)


def test_preprocessing_survives_json():
    before = Preprocessing((29, 31), 3, (0.1, 0.2, 0.3), 0.5, "bicubic", 0.9)
    after = Preprocessing(**json.loads(json.dumps(dataclasses.asdict(before))))
    assert after == before


def test_image_size_may_be_one_number():
    assert Preprocessing(17).image_size == (17, 17)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"image_size": (3, 5, 7)}, r"image_size=\(3, 5, 7\).*\(96, 64\)"),
        ({"image_size": (0, 5)}, r"image_size=\(0, 5\)"),
        ({"channels": 2}, "channels=2.*1 .grey. or 3"),
        ({"mean": (0.1, 0.2)}, "2 numbers for 3 channels"),
        ({"std": 0}, "std=0.0.*above 0"),
        ({"interpolation": "cubic"}, "interpolation='cubic'.*'bicubic'"),
        ({"crop": 1.5}, r"crop=1.5.*\(0, 1\]"),
    ],
)
def test_senseless_value_is_quoted_with_what_would_work(wrong, said):
    with pytest.raises(ValueError, match=said):
        Preprocessing(**wrong)


@pytest.mark.parametrize(("height", "width"), [(1, 10_000), (10_000, 1), (2, 1_000_000)])
def test_image_of_extreme_proportions_is_cut_before_it_is_resized(height, width):
    steps = np.arange(max(height, width)) - max(height, width) // 2 + 128  # 128 in the middle, and one more each pixel
    line = np.clip(steps, 0, 255).astype("uint8")
    image = np.broadcast_to(line[:, None] if height > width else line, (height, width))
    encoded = encode(image[..., None], "PNG")
    preprocessing = Preprocessing((28, 28), 1, mean=0.0, std=1.0)
    got = preprocessing.prepare(preprocessing.decode(encoded)).numpy()[..., 0] * 255  # resized whole: 30 MB to 1.6 TB
    pixels = (np.arange(28) + 0.5 - 14) / (28 / min(height, width)) - 0.5 + 128
    np.testing.assert_allclose(got, np.broadcast_to(pixels[:, None] if height > width else pixels, (28, 28)), atol=0.5)
    geometry = augmentation("none")(tf.constant(image[..., None]), preprocessing, None)[1]
    np.testing.assert_array_equal(geometry.move(image[..., None], "mask").numpy()[14, 14], got[14, 14].round())
