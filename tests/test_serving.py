"""An exported SavedModel serves: in a process without Keras, from floats and from bytes, for any batch."""

import io
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

import keras_vit
import keras_vit.recipes
from keras_vit.data import Preprocessing
from keras_vit.testing import randomise, small

CLIENT = Path(keras_vit.recipes.__path__[0]) / "classify_images.py"
NAMES = ["ant", "bee", "cat", "dog", "elk", "fox", "gnu"]


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    """A model, the preprocessing it was exported with, and the folder."""
    model = small("vit", image_size=(32, 24))
    preprocessing = Preprocessing((32, 24), mean=(0.4, 0.5, 0.6), std=(0.2, 0.3, 0.4))
    folder = keras_vit.export(model, tmp_path_factory.mktemp("export") / "1", NAMES, preprocessing)
    return model, preprocessing, folder


def encoded(kind, mode="RGB", size=(24, 32)):
    """Returns the bytes of a random image of `size` (w, h), and its pixels (h, w, 3) as decoded."""
    pixels = np.random.default_rng(3).integers(0, 256, (size[1], size[0], 3), dtype="uint8")
    file = io.BytesIO()
    Image.fromarray(pixels).convert(mode).save(file, kind)
    decoded = Image.open(io.BytesIO(file.getvalue())).convert("RGB")
    return file.getvalue(), np.asarray(decoded)


def softmax(x):
    e = np.exp(x - x.max())
    return e / e.sum()


def test_client_without_keras_or_keras_vit_names_the_classes(served, tmp_path):
    model, preprocessing, folder = served
    bytes_, pixels = encoded("PNG")
    (tmp_path / "image.png").write_bytes(bytes_)
    command = [sys.executable, CLIENT, folder, tmp_path / "image.png", "--json"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    got = json.loads(done.stdout)
    logits = model((pixels[None] / 255.0 - preprocessing.mean) / preprocessing.std)
    expected = softmax(np.asarray(logits)[0])
    order = np.argsort(-expected)[:5]
    assert got["labels"] == [NAMES[i] for i in order]
    np.testing.assert_allclose(got["probabilities"], expected[order], rtol=1e-3)


def test_client_names_the_file_that_is_no_image(served, tmp_path):
    (tmp_path / "good.png").write_bytes(encoded("PNG")[0])
    (tmp_path / "bad.png").write_text("no image")
    command = [sys.executable, CLIENT, served[2], tmp_path / "good.png", tmp_path / "bad.png"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 2
    assert "error: no image: " in done.stderr and "bad.png" in done.stderr and "good.png" not in done.stderr


def test_client_names_a_folder_that_holds_no_model(tmp_path):
    done = subprocess.run([sys.executable, CLIENT, tmp_path, "a.png"], capture_output=True, text=True)
    assert done.returncode == 2
    assert "holds no SavedModel with a signature serving_bytes" in done.stderr


@pytest.mark.parametrize("kind", ["PNG", "JPEG"])
@pytest.mark.parametrize("mode", ["RGB", "L"])
def test_png_and_jpeg_in_grey_and_colour_are_one_batch(served, kind, mode):
    model, preprocessing, folder = served
    signature = tf.saved_model.load(str(folder)).signatures["serving_bytes"]
    (one, pixels), (other, _) = encoded(kind, mode), encoded("PNG", size=(50, 41))
    got = signature(image_bytes=tf.constant([one, other, one]))
    logits = model((pixels[None] / 255.0 - preprocessing.mean) / preprocessing.std)
    best = int(np.argmax(logits))
    tolerance = 0.05 if kind == "JPEG" else 1e-3  # decoders of JPEG round differently
    for i in (0, 2):
        assert got["classes"][i, 0] == best
        np.testing.assert_allclose(got["probabilities"][i, 0], softmax(np.asarray(logits)[0])[best], rtol=tolerance)
    np.testing.assert_allclose(got["probabilities"].numpy().sum(1), 1, atol=0.5)


def test_signatures_are_named_typed_and_of_open_batch(served):
    signatures = tf.saved_model.load(str(served[2])).signatures
    assert {"serving_default", "serving_bytes"} <= set(signatures)
    floats, texts = (signatures[key].structured_input_signature[1] for key in ("serving_default", "serving_bytes"))
    assert floats["images"].shape.as_list() == [None, 32, 24, 3]
    assert (texts["image_bytes"].shape.as_list(), texts["image_bytes"].dtype) == ([None], tf.string)
    assert set(signatures["serving_bytes"].structured_outputs) == {"classes", "probabilities", "labels"}


def test_grey_model_takes_colour_files(tmp_path):
    model = small("vit", channels=1)
    keras_vit.export(model, tmp_path / "1", preprocessing=Preprocessing((32, 32), channels=1, mean=0, std=1))
    bytes_, pixels = encoded("PNG", "L", size=(32, 32))
    signature = tf.saved_model.load(str(tmp_path / "1")).signatures["serving_bytes"]
    got = signature(image_bytes=tf.constant([bytes_]))
    expected = softmax(np.asarray(model(pixels[None, :, :, :1] / 255.0))[0])
    np.testing.assert_allclose(got["probabilities"][0], np.sort(expected)[::-1][:5], rtol=1e-3)
    assert got["labels"][0, 0].numpy().decode() == str(np.argmax(expected))


def test_model_of_open_size_serves_any_size(tmp_path):
    model = small("vit", image_size=None)
    keras_vit.export(model, tmp_path / "1", preprocessing=Preprocessing((40, 24)))
    signature = tf.saved_model.load(str(tmp_path / "1")).signatures["serving_default"]
    for size in [(32, 32), (24, 56)]:
        images = np.random.default_rng(0).normal(size=(3, *size, 3)).astype("float32")
        np.testing.assert_allclose(signature(images=tf.constant(images))["logits"], model(images), rtol=1e-3, atol=1e-4)


def test_backbone_serves_its_features(tmp_path):
    model = small("vit", classes=0)
    keras_vit.export(model, tmp_path / "1", preprocessing=Preprocessing((32, 32)))
    images = np.random.default_rng(0).normal(size=(2, 32, 32, 3)).astype("float32")
    got = tf.saved_model.load(str(tmp_path / "1")).signatures["serving_default"](images=tf.constant(images))
    for key, expected in model(images).items():
        np.testing.assert_allclose(got[key], expected, rtol=1e-3, atol=1e-4)


def test_model_of_five_channels_serves_floats_alone(tmp_path):
    keras_vit.export(small("resnet", channels=5), tmp_path / "1")
    assert set(tf.saved_model.load(str(tmp_path / "1")).signatures) >= {"serving_default"}
    assert "serving_bytes" not in tf.saved_model.load(str(tmp_path / "1")).signatures


def test_bfloat16_model_answers_in_float32(tmp_path):
    import keras

    keras.config.set_dtype_policy("mixed_bfloat16")
    model = randomise(keras_vit.build("vit-ti16", depth=1, image_size=32, classes=0))
    keras_vit.export(model, tmp_path / "1", preprocessing=Preprocessing((32, 32)))
    signature = tf.saved_model.load(str(tmp_path / "1")).signatures["serving_default"]
    assert {output.dtype for output in signature.structured_outputs.values()} == {tf.float32}


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"labels": ["a", "b"]}, "vit-ti16 has 7 classes, but 2 labels were given"),
        ({}, r"nothing says how images were prepared for vit-ti16; .*bundle\.update\(model, preprocessing="),
        ({"preprocessing": Preprocessing((16, 16))}, r"gives images \(16, 16, 3\), but vit-ti16 takes \(32, 32, 3\)"),
    ],
)
def test_what_does_not_match_is_refused_before_anything_is_written(tmp_path, options, says):
    with pytest.raises(ValueError, match=says):
        keras_vit.export(small("vit"), tmp_path / "1", **options)
    assert list(tmp_path.iterdir()) == []


def test_folder_in_use_is_refused_and_left_alone(tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(ValueError, match="is not empty; export to a new folder"):
        keras_vit.export(small("vit"), tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]
