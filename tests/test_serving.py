"""An exported SavedModel serves: in a process without Keras, from floats and from bytes, for any batch."""

import io
import json
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

import keras_vit
import keras_vit.recipes
from keras_vit import bundle
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
    assert "good.png: " in done.stdout and "bad.png" not in done.stdout


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
    assert set(signatures["serving_bytes"].structured_outputs) == {"classes", "probabilities", "labels", "status"}


def as_sent(signature, dtype="float32"):
    """Returns a function that hands `signature` what a client sent, of any shape, as a server does."""
    name = next(iter(signature.structured_input_signature[1]))
    return tf.function(lambda x: signature(**{name: x}), input_signature=[tf.TensorSpec(None, dtype)])


def broken_files():
    """Returns bytes that are no image, each in a way of its own."""
    png, jpeg = encoded("PNG")[0], encoded("JPEG")[0]
    rng = np.random.default_rng(0)
    cut = [each[:length] for each in (png, jpeg) for length in (1, 8, 40, len(each) // 2)]
    random = [start + rng.bytes(99) for start in (b"", b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff")]
    heads = [b"", b"\0", b"no image", b"GIF89a", b"BM" + bytes(60), b"RIFF\0\0\0\0WEBP"]
    return [*heads, *cut, *random, png[:60] + bytes([png[60] ^ 255]) + png[61:]]


def test_files_that_are_no_images_have_a_status_and_the_others_their_answers(served):
    loaded = tf.saved_model.load(str(served[2]))
    good, files = encoded("PNG")[0], broken_files()
    got = loaded.signatures["serving_bytes"](image_bytes=tf.constant([good, *files, good]))
    assert got["status"].numpy().tolist() == [b"ok", *len(files) * [b"no image"], b"ok"]
    alone = loaded.signatures["serving_bytes"](image_bytes=tf.constant([good]))
    for i in (0, -1):
        np.testing.assert_allclose(got["probabilities"][i], alone["probabilities"][0], rtol=1e-5)
        assert got["labels"][i].numpy().tolist() == alone["labels"][0].numpy().tolist()
    assert (got["classes"][1:-1].numpy() == -1).all() and (got["labels"][1:-1].numpy() == b"").all()
    assert (got["probabilities"][1:-1].numpy() == 0).all() and got["probabilities"][0, 0] > 0


def test_an_empty_batch_has_an_empty_answer(served):
    loaded = tf.saved_model.load(str(served[2]))
    got = loaded.signatures["serving_bytes"](image_bytes=tf.constant([], tf.string))
    assert {name: each.shape.as_list() for name, each in got.items()} == {
        "classes": [0, 5], "probabilities": [0, 5], "labels": [0, 5], "status": [0],
    }  # fmt: skip
    got = loaded.signatures["serving_default"](images=tf.zeros((0, 32, 24, 3)))
    assert got["logits"].shape == got["probabilities"].shape == (0, 7)


@pytest.mark.parametrize(
    "shape", [(), (2,), (32, 24, 3), (2, 24, 32, 3), (2, 32, 24, 1), (2, 32, 24), (2, 0, 0, 3), (2, 32, 24, 3, 1)]
)
def test_images_of_another_shape_are_an_error_of_the_request(served, shape):
    loaded = tf.saved_model.load(str(served[2]))
    with pytest.raises(tf.errors.InvalidArgumentError, match=r"is not compatible with expected shape \[\?,32,24,3\]"):
        as_sent(loaded.signatures["serving_default"])(tf.zeros(shape))


@pytest.mark.parametrize("shape", [(), (1, 1)])
def test_files_in_another_shape_are_an_error_of_the_request(served, shape):
    loaded = tf.saved_model.load(str(served[2]))
    with pytest.raises(tf.errors.InvalidArgumentError, match=r"is not compatible with expected shape \[\?\]"):
        as_sent(loaded.signatures["serving_bytes"], "string")(tf.fill(shape, encoded("PNG")[0]))


@pytest.mark.parametrize("said", ["a sigmoid layer", "a bundle", "a softmax layer"])
def test_probabilities_are_those_that_the_model_means(said, tmp_path):
    model = small("vit", depth=1)
    logits = np.asarray(model(np.zeros((1, 32, 32, 3))))[0]
    expected = softmax(logits) if said == "a softmax layer" else 1 / (1 + np.exp(-logits))
    if said == "a bundle":
        bundle.update(model, activation="sigmoid")
    else:
        model = keras.Sequential([model, keras.layers.Activation(said.split()[1])])
    keras_vit.export(model, tmp_path / "1", preprocessing=Preprocessing((32, 32)))
    loaded = tf.saved_model.load(str(tmp_path / "1"))
    got = loaded.signatures["serving_default"](images=tf.zeros((1, 32, 32, 3)))
    np.testing.assert_allclose(got["probabilities"][0], expected, rtol=1e-4)
    np.testing.assert_allclose(got["logits"][0], logits, rtol=1e-3, atol=1e-5)
    grey = tf.io.encode_png(tf.fill((32, 32, 3), tf.constant(128, "uint8")))  # nearly 0 as prepared
    got = loaded.signatures["serving_bytes"](image_bytes=grey[None])
    np.testing.assert_allclose(got["probabilities"][0], np.sort(expected)[::-1][:5], rtol=0.05)


@pytest.mark.parametrize("labels", [dict(enumerate(NAMES)), {name: i for i, name in enumerate(NAMES)}, "file"], ids=str)
def test_labels_are_served_in_the_order_of_their_numbers(labels, tmp_path):
    if labels == "file":
        labels = tmp_path / "labels.txt"
        labels.write_text("\n".join(NAMES) + "\n")
    model = small("vit", depth=1)
    keras_vit.export(model, tmp_path / "1", labels, Preprocessing((32, 32)))
    loaded = tf.saved_model.load(str(tmp_path / "1"))
    got = loaded.signatures["serving_bytes"](image_bytes=tf.constant([encoded("PNG")[0]]))
    assert [NAMES.index(each.decode()) for each in got["labels"][0].numpy()] == got["classes"][0].numpy().tolist()


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
    keras.config.set_dtype_policy("mixed_bfloat16")
    model = randomise(keras_vit.build("vit-ti16", depth=1, image_size=32, classes=0))
    keras_vit.export(model, tmp_path / "1", preprocessing=Preprocessing((32, 32)))
    signature = tf.saved_model.load(str(tmp_path / "1")).signatures["serving_default"]
    assert {output.dtype for output in signature.structured_outputs.values()} == {tf.float32}


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"labels": ["a", "b"]}, "vit-ti16 has 7 classes, but 2 labels were given"),
        ({"labels": set("abcdefg")}, "is a set, which has no order"),
        ({"labels": "abcdefg"}, "labels='abcdefg' can't be read as a file"),
        ({}, r"nothing says how images were prepared for vit-ti16; .*bundle\.update\(model, preprocessing="),
        ({"preprocessing": Preprocessing((16, 16))}, r"gives images \(16, 16, 3\), but vit-ti16 takes \(32, 32, 3\)"),
    ],
)
def test_what_does_not_match_is_refused_before_anything_is_written(tmp_path, options, says):
    with pytest.raises(ValueError, match=says):
        keras_vit.export(small("vit"), tmp_path / "1", **options)
    assert list(tmp_path.iterdir()) == []


def test_an_address_is_no_folder_to_export_to():
    with pytest.raises(ValueError, match="'gs://bucket/1' is no path of this machine"):
        keras_vit.export(small("vit", depth=1), "gs://bucket/1", preprocessing=Preprocessing((32, 32)))
    assert not Path("gs:").exists()


def test_folder_in_use_is_refused_and_left_alone(tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(ValueError, match="is not empty; export to a new folder"):
        keras_vit.export(small("vit"), tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]
