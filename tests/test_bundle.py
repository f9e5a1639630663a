"""What travels with a model is there after every seam, and what isn't there is not guessed."""

import io
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

import keras_vit
from keras_vit import bundle, heads
from keras_vit.bundle import Bundle
from keras_vit.data import Preprocessing, model_preprocessing
from keras_vit.tasks.transfer import add_lora, merge_lora
from keras_vit.testing import small
from keras_vit.weights import published

NAMES = ("ant", "bee", "cat", "dog", "elk", "fox", "gnu")


def fine_tuned(family="swin", **options):
    """Returns a small model with what a published checkpoint of Swin would have brought, a step of training later."""
    model = small(family, **options)
    bundle.update(
        model,
        preprocessing=published("swin-t")["ms_in1k"].preprocessing,
        origin=f"{model.name}:ms_in1k",
        labels=() if isinstance(model.output, dict) else NAMES,
    )
    return model


def saved_and_loaded(model, folder):
    model.save(folder / "model.keras")
    return keras.saving.load_model(folder / "model.keras")


def with_lora(model, folder):
    add_lora(model, rank=2)
    return merge_lora(model)


SEAMS = {
    "saving": saved_and_loaded,
    "cloning": lambda model, folder: keras.models.clone_model(model),
    "from_config": lambda model, folder: keras.Model.from_config(model.get_config()),
    "cutting": lambda model, folder: keras.Model(model.input, model.get_layer("stage_1_block_0").output),
    "cutting and saving": lambda model, folder: saved_and_loaded(SEAMS["cutting"](model, folder), folder),
    "LoRA": with_lora,
    "a call in another model": lambda model, folder: keras.Model(images := keras.Input((28, 28, 3)), model(images)),
    "a call in a Sequential": lambda model, folder: keras.Sequential([model, keras.layers.Softmax()]),
    "saving twice": lambda model, folder: saved_and_loaded(saved_and_loaded(model, folder), folder),
}


@pytest.mark.parametrize("seam", SEAMS)
def test_everything_is_there_after(seam, tmp_path):
    model = fine_tuned()
    after = SEAMS[seam](model, tmp_path)
    assert bundle.of(after) == bundle.of(model)
    mean, std = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
    assert model_preprocessing(after) == Preprocessing((28, 28), 3, mean, std, "bicubic", 0.9)
    assert bundle.of(after).labels == NAMES and bundle.of(after).origin == "swin-t:ms_in1k"


def test_new_head_keeps_the_preprocessing():
    backbone = fine_tuned(classes=0)
    model = heads.classify(backbone, 3, pool="mean")
    assert model_preprocessing(model) == model_preprocessing(backbone) is not None


def test_mixed_precision_keeps_it_and_leaves_the_images_in_float32():
    keras.config.set_dtype_policy("mixed_bfloat16")
    model = fine_tuned()
    assert model.get_layer("bundle").output.dtype == "float32"
    images = keras.Input((28, 28, 3))
    for after in (keras.models.clone_model(model), keras.Model(images, model(images))):
        assert bundle.of(after) == bundle.of(model)


def png(pixels):
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()


def prepared(pixels, size, crop, mean, std):
    """Returns `pixels` as ImageNet's publishers prepare them: bicubic by Pillow, the middle, mean and deviation."""
    side = np.array(pixels.shape[:2])
    height, width = np.round(side * max(size / crop / side)).astype(int)
    planes = [Image.fromarray(plane.astype("float32")) for plane in np.moveaxis(pixels, 2, 0)]
    resized = np.stack([np.asarray(plane.resize((width, height), Image.Resampling.BICUBIC)) for plane in planes], -1)
    top, left = (height - size) // 2, (width - size) // 2
    return (resized.clip(0, 255)[top : top + size, left : left + size] / 255 - mean) / std


def test_loaded_swin_serves_with_the_preprocessing_it_was_trained_with(tmp_path):
    model = fine_tuned()
    model.compile(keras.optimizers.SGD(0.1), keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    model.train_on_batch(np.random.default_rng(2).normal(size=(4, 28, 28, 3)), np.arange(4))
    loaded = saved_and_loaded(model, tmp_path)
    keras_vit.export(loaded, tmp_path / "1")
    pixels = np.random.default_rng(1).integers(0, 256, (50, 41, 3), dtype="uint8")
    served = tf.saved_model.load(str(tmp_path / "1")).signatures["serving_bytes"]
    got = served(image_bytes=tf.constant([png(pixels)]))
    images = prepared(pixels, 28, 0.9, np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225]))
    logits = np.asarray(model(images[None].astype("float32")))[0]
    expected = np.exp(logits - logits.max()) / np.exp(logits - logits.max()).sum()
    order = np.argsort(-expected)[:5]
    np.testing.assert_allclose(got["probabilities"][0], expected[order], rtol=1e-3)
    assert [each.decode() for each in got["labels"][0].numpy()] == [NAMES[i] for i in order]


def test_labels_of_another_head_are_not_served_as_those_of_this_one(tmp_path):
    model = fine_tuned()
    cut = keras.Model(model.input, keras.layers.Dense(3)(model.layers[-2].output))
    with pytest.raises(ValueError, match="has 3 classes, but 7 labels travel with it"):
        keras_vit.export(cut, tmp_path / "1")
    keras_vit.export(cut, tmp_path / "1", labels=["a", "b", "c"])


def own():
    images = keras.Input((28, 28, 3))
    return keras.Model(images, keras.layers.Dense(7)(keras.layers.Flatten()(images)), name="mine")


def test_model_of_another_making_has_an_empty_bundle_and_is_not_exported_by_guess(tmp_path):
    for model in (own(), keras.Sequential([keras.layers.Dense(2)]), keras.Sequential()):
        assert bundle.of(model) == Bundle() and not bundle.carries(model)
    with pytest.raises(ValueError, match="nothing says how images were prepared for mine; say it with preprocessing="):
        keras_vit.export(own(), tmp_path / "1")
    with pytest.raises(ValueError, match="mine has nothing to keep labels in"):
        bundle.update(own(), labels=NAMES)
    keras_vit.export(own(), tmp_path / "1", preprocessing=Preprocessing((28, 28)))


def test_preprocessing_of_a_model_that_sees_changed_images_is_not_that_of_the_images():
    model, images = fine_tuned(), keras.Input((28, 28, 3))
    around = keras.Model(images, model(images))
    scaled = keras.Model(images, model(keras.layers.Rescaling(2.0)(images)))
    assert (bundle.of(around), bundle.of(scaled)) == (bundle.of(model), Bundle())


def test_clone_has_a_bundle_of_its_own_and_a_sub_model_shares_it():
    model = fine_tuned()
    clone, cut = keras.models.clone_model(model), keras.Model(model.input, model.get_layer("stage_0").output)
    bundle.update(model, labels=NAMES[::-1])
    assert (bundle.of(clone).labels, bundle.of(cut).labels) == (NAMES, NAMES[::-1])


@pytest.mark.parametrize(("size", "channels"), [((42, 56), 3), (None, 3), ((28, 28), 1)])
def test_preprocessing_is_fitted_to_the_input(size, channels):
    found = model_preprocessing(fine_tuned(image_size=size, channels=channels))
    mean = (0.485, 0.456, 0.406)
    assert found.image_size == (size or (224, 224))
    assert found.mean == (mean if channels == 3 else pytest.approx(sum(mean) / 3))


def test_weights_of_a_keras_file_bring_their_preprocessing_and_those_of_other_files_take_it(tmp_path):
    first, other = fine_tuned(), small("swin")
    first.save(tmp_path / "a.keras")
    first.save_weights(tmp_path / "a.weights.h5")
    keras_vit.load_weights(other, tmp_path / "a.keras")
    assert bundle.of(other).preprocessing == bundle.of(first).preprocessing
    assert (bundle.of(other).labels, bundle.of(other).origin) == (NAMES, "swin-t")
    keras_vit.load_weights(other, tmp_path / "a.weights.h5")
    assert bundle.of(other).preprocessing is None


LOAD = """
import {imports}
import sys
from pathlib import Path
import numpy as np
images = np.load(sys.argv[1] + "/images.npz")
for path in sorted(Path(sys.argv[1]).glob("*.keras")):
    found = keras.saving.load_model(path)(images[path.stem], training=False)
    np.save(path.with_suffix(".npy"), keras.ops.convert_to_numpy(found))
"""


@pytest.mark.parametrize(
    ("imports", "families"),
    [
        ("keras, keras_vit", keras_vit.list_families()),
        ("keras_vit, keras", ["swin"]),
        ("keras_vit, tensorflow, keras", ["swin"]),
    ],
)
def test_every_family_loads_in_a_process_that_imports_only(imports, families, tmp_path):
    images, expected = {}, {}
    for family in families:
        model = small(family)
        model.save(tmp_path / f"{family}.keras")
        images[family] = np.random.default_rng(3).normal(size=(2, *model.input_shape[1:])).astype("float32")
        expected[family] = np.asarray(model(images[family], training=False))
    np.savez(tmp_path / "images.npz", **images)
    command = [sys.executable, "-c", LOAD.format(imports=imports), tmp_path]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    for family in families:
        np.testing.assert_allclose(np.load(tmp_path / f"{family}.npy"), expected[family], rtol=1e-4, atol=1e-5)


def test_file_of_a_family_that_is_gone_says_so_and_loads_where_it_can(tmp_path, monkeypatch):
    model = fine_tuned("vit")
    bundle.update(model, origin="heron-s")
    with pytest.warns(UserWarning, match="of the family 'heron' is loaded, but no family 'heron'"):
        assert bundle.of(saved_and_loaded(model, tmp_path)).origin == "heron-s"


def test_import_of_keras_vit_alone_loads_no_keras_and_a_missing_one_is_missed_as_ever():
    code = """
import sys, keras_vit
keras_vit.list_families()
try:
    keras_vit.build("nightingale-s")
except keras_vit.ZooError as error:
    print({"keras", "tensorflow"} & set(sys.modules), error)
sys.path[:] = [path for path in sys.path if "site-packages" not in path]
try:
    import keras
except ModuleNotFoundError as error:
    print(error)
"""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=Path(__file__).parent.parent
    )
    first, second = done.stdout.splitlines()
    assert first.startswith("set() no family 'nightingale'") and second == "No module named 'keras'", done.stderr


@pytest.mark.slow
@pytest.mark.parametrize(
    "first", ["bundle", "layers", "heads", "keras_internals", "taps", "models", "data", "training.train", "serving"]
)
def test_any_module_may_be_the_first_that_is_imported(first):
    """Importing Keras imports the modules of what files hold, which must not meet `first` half loaded."""
    code = f"""
import keras_vit.{first}, keras
for name in ("Images", "LinearHead", "TransformerBlock", "GroupedAdamW"):
    assert keras.saving.get_registered_object(f"keras_vit>{{name}}"), name
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_printed_it_tells_what_pixels_and_outputs_are():
    model = small("vit")
    assert "pixels:     unknown; keras_vit.bundle.update" in str(bundle.of(model))
    numbers = Preprocessing((28, 30), 3, (0.485, 0.456, 0.406), 0.25)
    bundle.update(model, preprocessing=numbers, labels=[f"class {i}" for i in range(7)])
    assert str(bundle.of(model)).splitlines() == [
        f"origin:     {bundle.of(model).origin}",
        "pixels:     (pixel / 255 - (0.485, 0.456, 0.406)) / 0.25, of 28 x 30; "
        "keras_vit.preprocessing(model)(images) makes them",
        "labels:     7: class 0, class 1, class 2, …",
        "activation: softmax, which makes probabilities of the logits of a classifier",
    ]
