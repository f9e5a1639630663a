"""Files damaged at random are refused with a sentence or decoded to pixels: in training, in Python and when served."""

import contextlib
import io
import re
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from kit.skipping import needs
from PIL import Image

import keras_vit
from keras_vit.data import Preprocessing, read_images
from keras_vit.data.image_files import reason_of

pytestmark = pytest.mark.slow
COUNT = 1000
MEMORY = 2 * 1024**2  # KiB that decoding damaged files may add, whatever sizes their headers claim
PEAK = Path("/proc/self/clear_refs")  # of Linux, which forgets the largest memory so far where "5" is written to it


def whole_files():
    pixels = np.random.default_rng(0).integers(0, 256, (13, 17, 3), dtype="uint8")
    image = Image.fromarray(pixels)
    turned = Image.Exif()
    turned[0x0112] = 6
    kinds = {
        "jpeg": dict(format="JPEG", exif=turned),
        "cmyk": dict(format="JPEG"),
        "png": dict(format="PNG", exif=turned),
        "palette": dict(format="PNG"),
        "gif": dict(format="GIF"),
        "bmp": dict(format="BMP"),
        "bmp8": dict(format="BMP"),
        "webp": dict(format="WEBP", exif=turned),
        "animated": dict(format="WEBP", save_all=True, append_images=[image.rotate(90)]),
    }
    modes = {"cmyk": "CMYK", "palette": "P", "gif": "P", "bmp8": "P"}
    found = {}
    for name, how in kinds.items():
        memory = io.BytesIO()
        image.convert(modes.get(name, "RGB")).save(memory, **how)
        found[name] = memory.getvalue()
    return found


def damaged(rng, data):
    """Flips bytes, cuts, doubles or overwrites a part of `data`, mostly of its beginning, where the headers are."""
    data = bytearray(data)
    for _ in range(rng.integers(1, 4)):
        at = int(rng.integers(len(data) if rng.random() < 0.3 else min(len(data), 64)))
        end = at + int(rng.integers(1, 9))
        match rng.integers(5):
            case 0:
                data[at] ^= int(rng.integers(1, 256))
            case 1:
                data[at:end] = rng.bytes(end - at)
            case 2:
                data[at:end] = bytes([rng.choice([0, 255])]) * (end - at)
            case 3:
                data = data[: max(1, at)]
            case _:
                data[at:at] = data[at:end]
    return bytes(data)


def largest_memory():
    """KiB"""
    return int(re.search(r"VmHWM:\s+(\d+)", Path("/proc/self/status").read_text())[1])


@pytest.fixture(scope="module")
def files():
    rng, whole = np.random.default_rng(5), list(whole_files().values())
    return [damaged(rng, whole[i % len(whole)]) for i in range(COUNT)]


@pytest.mark.parametrize("channels", [1, 3])
def test_every_damaged_file_is_pixels_or_a_sentence(files, channels):
    preprocessing = Preprocessing((8, 8), channels)
    decode = tf.function(preprocessing.decode, input_signature=[tf.TensorSpec((), "string")])
    outcomes = {"pixels": 0, "sentence": 0}
    for data in files:
        try:
            image = decode(data).numpy()
        except tf.errors.InvalidArgumentError as error:
            assert reason_of(error).startswith(("is ", "has ")), data
            outcomes["sentence"] += 1
            continue
        assert image.dtype == "uint8" and image.shape[2] == channels and image.size, data
        assert np.isfinite(preprocessing.prepare(image)).all(), data
        outcomes["pixels"] += 1
    assert min(outcomes.values()) > COUNT / 20, outcomes


@needs(PEAK.exists(), "only Linux tells the largest memory since a moment")
def test_no_damaged_file_takes_the_memory_that_its_header_claims(files):
    decode = tf.function(Preprocessing((8, 8)).decode, input_signature=[tf.TensorSpec((), "string")])
    PEAK.write_text("5")
    before = largest_memory()
    for data in files:
        with contextlib.suppress(tf.errors.InvalidArgumentError):
            decode(data)
    assert largest_memory() - before < MEMORY


def test_python_and_the_served_model_answer_each_as_decoding_does(files, tmp_path):
    model = keras_vit.build("mlp", image_size=8, channels=3, classes=3)
    preprocessing = Preprocessing((8, 8))
    folder = keras_vit.export(model, tmp_path / "1", preprocessing=preprocessing)
    served = tf.saved_model.load(str(folder)).signatures["serving_bytes"]
    good = []
    for i, data in enumerate(files[:200]):
        (tmp_path / f"{i}.image").write_bytes(data)
        try:
            good.append(np.isfinite(read_images([tmp_path / f"{i}.image"], model, preprocessing)).all())
        except ValueError as error:
            assert str(error).startswith(f"'{tmp_path / f'{i}.image'}' "), error
            good.append(False)
    got = served(image_bytes=tf.constant(files[:200]))
    assert got["status"].numpy().tolist() == [b"ok" if each else b"no image" for each in good]
    assert 10 < sum(good) < 190
    assert np.isfinite(got["probabilities"]).all()
