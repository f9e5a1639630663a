"""Images of every kind become the input of a model, as its training and its service prepare them."""

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

import keras_vit
from keras_vit import bundle
from keras_vit.data import Preprocessing, decoder, read_images

SIZE = (12, 20)
RGB = Preprocessing(SIZE, 3, (0.2, 0.3, 0.5), (0.3, 0.4, 0.7), "bicubic", 0.9)
GREY = Preprocessing(SIZE, 1, 0.4, 0.3)


def model_for(preprocessing):
    model = keras_vit.build("mlp", widths=(5,), image_size=SIZE, channels=preprocessing.channels, classes=3)
    bundle.update(model, preprocessing=preprocessing)
    return model


def picture(height, width, channels=3, seed=0):
    """A smooth random image, uint8."""
    small = np.random.default_rng(seed).integers(0, 256, (5, 7, channels), dtype="uint8")
    planes = [Image.fromarray(small[..., c]).resize((width, height), Image.BICUBIC) for c in range(channels)]
    return np.stack(planes, -1)


def by_hand(image, preprocessing):
    """Resized by Pillow in floating point, cut and normalised by NumPy."""
    height, width = image.shape[:2]
    scale = max(SIZE[0] / height, SIZE[1] / width) / preprocessing.crop
    size = [max(round(side * scale), least) for side, least in zip((height, width), SIZE, strict=True)]
    method = getattr(Image, preprocessing.interpolation.upper())
    planes = [
        np.asarray(Image.fromarray(p.astype("float32")).resize(size[::-1], method)) for p in image.transpose(2, 0, 1)
    ]
    top, left = (size[0] - SIZE[0]) // 2, (size[1] - SIZE[1]) // 2
    cut = np.stack(planes, -1)[top : top + SIZE[0], left : left + SIZE[1]].clip(0, 255)
    return (cut / 255 - np.array(preprocessing.mean)) / np.array(preprocessing.std)


@pytest.fixture
def files(tmp_path):
    """Paths of PNGs of different sizes, and their pixels."""
    pixels = [picture(37, 53), picture(64, 29, seed=1), picture(*SIZE, seed=2)]
    paths = [tmp_path / f"{i}.png" for i in range(len(pixels))]
    for path, each in zip(paths, pixels, strict=True):
        Image.fromarray(each).save(path)
    return paths, pixels


def test_list_of_sizes_is_prepared_as_pillow_and_numpy_do(files):
    got = keras_vit.preprocessing(model_for(RGB))(files[1])
    assert got.dtype == np.float32 and got.shape == (3, *SIZE, 3)
    np.testing.assert_allclose(got, [by_hand(each, RGB) for each in files[1]], atol=5e-3)


def test_every_form_of_the_same_images_gives_the_same_bits_as_read_images(files):
    paths, pixels = files
    model = model_for(RGB)
    prepare, expected = keras_vit.preprocessing(model), read_images(paths, model)
    opened = [Image.open(path) for path in paths]
    forms = (
        pixels,
        opened,
        map(str, paths),
        tuple(paths),
        [paths[0], pixels[1], opened[2]],
        list(map(tf.constant, pixels)),
    )
    for form in forms:
        np.testing.assert_array_equal(prepare(form), expected)
    for i, alone in enumerate((str(paths[0]), opened[1], pixels[2])):
        np.testing.assert_array_equal(prepare(alone), expected[i : i + 1])
    many = np.stack([pixels[0]] * 4)
    for form in (many, many.astype("int64"), tf.constant(many), list(many)):
        np.testing.assert_array_equal(prepare(form), np.repeat(expected[:1], 4, axis=0))


def test_it_is_what_evaluation_and_serving_compute(files, tmp_path):
    paths, _ = files
    model = model_for(RGB)
    got = keras_vit.preprocessing(model)(paths)
    decode = tf.function(lambda data: decoder({}, RGB)({"image": data}, (0, 0))["image"])
    np.testing.assert_allclose(got, [decode(path.read_bytes()) for path in paths], atol=1e-6)
    served = tf.saved_model.load(str(keras_vit.export(model, tmp_path / "served")))
    answer = served.signatures["serving_bytes"](tf.constant([path.read_bytes() for path in paths]))
    expected = np.sort(tf.nn.softmax(model(got)).numpy(), axis=1)[:, ::-1]
    np.testing.assert_allclose(answer["probabilities"], expected, atol=1e-5)


def test_grey_and_colour_become_each_other():
    grey, colour = picture(19, 23, 1), picture(19, 23, 3, seed=3)
    np.testing.assert_array_equal(RGB(grey), RGB(np.repeat(grey, 3, axis=-1)))
    for form in (grey[..., 0], Image.fromarray(grey[..., 0])):
        np.testing.assert_array_equal(GREY(form), GREY(grey))
    lightness = np.asarray(Image.fromarray(colour).convert("L"))
    for form in (colour, Image.fromarray(colour)):
        np.testing.assert_allclose(GREY(form), GREY(lightness), atol=1.5 / 255 / 0.3)
    clear = np.concatenate([colour, np.zeros((19, 23, 1), "uint8")], axis=-1)
    for form in (clear, Image.fromarray(clear)):
        np.testing.assert_array_equal(RGB(form), RGB(colour))


def test_image_of_pillow_is_turned_upright_as_its_file_is(tmp_path):
    turned = Image.Exif()
    turned[0x0112] = 6
    Image.fromarray(picture(37, 53)).save(tmp_path / "turned.png", exif=turned)
    np.testing.assert_array_equal(RGB(Image.open(tmp_path / "turned.png")), RGB(tmp_path / "turned.png"))


def test_of_a_model_of_any_size_the_size_may_be_said():
    model = keras_vit.build("convnext-atto", image_size=None, blocks=(1, 1, 1, 1), width=5, classes=3)
    bundle.update(model, preprocessing=Preprocessing((40, 48)))
    assert keras_vit.preprocessing(model)(picture(37, 53)).shape == (1, 40, 48, 3)
    assert keras_vit.preprocessing(model, image_size=64)(picture(37, 53)).shape == (1, 64, 64, 3)


@pytest.mark.parametrize(
    ("images", "says"),
    [
        ([], "no image"),
        (np.zeros((0, 8, 8, 3), "uint8"), "no image"),
        (np.zeros((8, 8, 3), "float32"), r"image 0 holds float32 from 0.0 to 0.0; .*\(255 \* image\)"),
        (np.zeros((8, 8, 3), bool), "image 0 holds bool"),
        ([np.zeros((8, 8, 3), "uint8"), np.full((8, 8, 3), 300)], "image 1 holds int64 from 300 to 300"),
        (np.zeros((60, 28, 28), "uint8"), r"image 0 is \(60, 28, 28\).*images\[..., None\]"),
        (np.zeros((8, 0, 3), "uint8"), r"image 0 is \(8, 0, 3\)"),
        (np.zeros((2, 3, 8, 8, 3), "uint8"), r"image 0 is \(3, 8, 8, 3\)"),
        ("nowhere.png", "'nowhere.png' can't be read: No such file"),
        (Image.new("I;16", (8, 8)), "Pillow's mode 'I;16'"),
    ],
)
def test_what_is_no_image_is_refused_with_a_sentence(images, says):
    with pytest.raises(ValueError, match=says):
        RGB(images)


def test_what_images_are_never_made_of_is_a_type_error():
    for given in (None, 7, b"\x89PNG", {"image": 3}):
        with pytest.raises(TypeError, match="files, arrays or images of Pillow"):
            RGB(given)


def test_model_that_says_nothing_is_answered_with_what_would():
    with pytest.raises(ValueError, match=r"mlp says nothing of how its images are prepared.*bundle.update"):
        keras_vit.preprocessing(keras_vit.build("mlp"))
    with pytest.raises(ValueError, match=r"takes images of \(12, 20\), not of image_size=64"):
        keras_vit.preprocessing(model_for(RGB), image_size=64)
    with pytest.raises(ValueError, match=r"weights='dino' are of a name"):
        keras_vit.preprocessing(model_for(RGB), "dino")
