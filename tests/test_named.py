"""Where a model is asked for, its name with its weights will do."""

import json
from pathlib import Path

import numpy as np
import pytest

import keras_vit
from keras_vit import analysis
from keras_vit.models import model_of
from keras_vit.taps import list_taps, tap


@pytest.fixture(scope="module")
def stored(tmp_path_factory):
    """A ViT-Ti/16 for grey images that aren't square, its name with the file of its weights, and such images."""
    model = keras_vit.build("vit-ti16", image_size=(32, 48), channels=1, classes=1000)
    path = tmp_path_factory.mktemp("named") / "own.weights.h5"
    model.save_weights(path)
    images = np.random.default_rng(3).normal(size=(12, 32, 48, 1)).astype("float32")
    return model, f"vit-ti16:{path}", images


LABELS = np.arange(12) % 3
MEASURES = {
    "attention": lambda model, images: analysis.attention(model, images[:2], "rollout"),
    "distance": lambda model, images: analysis.attention_distance(model, images[:2])["attention_3"],
    "uniform": lambda model, images: np.array(list(analysis.uniform_attention_distance(model, images[:1]).values())),
    "field": lambda model, images: analysis.effective_receptive_field(model, images[:1], "block_1", channels=2)[
        "block_1"
    ],
    "skip": lambda model, images: analysis.skip_ratio(model, images[:2])["block_2"]["mlp"].cells,
    "localisation": lambda model, images: analysis.localisation(model, images, "block_1").cells,
    "probe": lambda model, images: np.array(
        list(analysis.probe(model, (images, LABELS), (images, LABELS), ["embed", "norm"]).values())
    ),
    "cka": lambda model, images: analysis.cka(model, model, images, layers=["norm", "norm"], batch=6).values,
}


@pytest.mark.parametrize("measure", MEASURES)
def test_measure_of_a_name_is_that_of_its_model(stored, measure):
    model, name, images = stored
    of = MEASURES[measure]
    np.testing.assert_allclose(of(name, images), of(model, images), rtol=1e-4, atol=1e-6)


def test_name_builds_as_published_where_no_images_are_given(tmp_path):
    model = keras_vit.build("vit-ti16")
    path = tmp_path / "own.weights.h5"
    model.save_weights(path)
    name, images = f"vit-ti16:{path}", np.ones((1, 224, 224, 3), "float32")
    assert list_taps(name) == list_taps(model) and analysis.methods(name) == analysis.methods(model)
    np.testing.assert_allclose(tap(name, "norm")(images)["norm"], tap(model, "norm")(images)["norm"], rtol=1e-5)


def test_name_without_weights_is_refused_with_one_that_has_them():
    with pytest.raises(ValueError, match=r"'vit-b16' says nothing of weights; name some, as in 'vit-b16:\w+"):
        analysis.attention("vit-b16", np.zeros((1, 224, 224, 3)))
    with pytest.raises(ValueError, match=r"'lenet-5' says nothing.*lenet-5:path/to/checkpoint"):
        list_taps("lenet-5")
    with pytest.raises(keras_vit.ZooError, match=r"no model 'vit-b17'.*did you mean"):
        model_of("vit-b17:augreg_in21k_ft_in1k")


def test_the_folder_of_a_run_and_a_saved_model_are_names_too(tmp_path):
    model = keras_vit.build("mlp", widths=(5,), image_size=4, channels=1, classes=3)
    model.save(tmp_path / "best.keras")
    for name in (str(tmp_path), tmp_path, tmp_path / "best.keras"):
        for found in (model_of(name), keras_vit.build(name)):
            np.testing.assert_array_equal(found.get_weights()[0], model.get_weights()[0])
    for name in (tmp_path / "nowhere", str(tmp_path / "nowhere.keras"), "nowhere.keras"):
        for take in (model_of, keras_vit.build):
            with pytest.raises(ValueError, match=r"nowhere.*' is no folder of a finished run, and no \.keras file"):
                take(name)


@pytest.mark.parametrize("measure", MEASURES)
def test_measure_of_a_path_is_that_of_its_model(stored, measure, tmp_path):
    model, _, images = stored
    model.save(tmp_path / "best.keras")
    of = MEASURES[measure]
    np.testing.assert_allclose(of(tmp_path, images), of(model, images), rtol=1e-4, atol=1e-6)


def test_a_folder_called_like_a_family_is_a_path_only_with_a_folder_before_it(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    model = keras_vit.build("mlp", widths=(5,), image_size=4, channels=1, classes=3)
    for name in ("mlp", "photos"):
        Path(name).mkdir()
        model.save(Path(name, "best.keras"))
    assert keras_vit.build("mlp").output.shape[-1] == 10
    for name in ("./mlp", "photos", Path("mlp")):
        assert keras_vit.build(name).output.shape[-1] == 3


def test_a_trained_model_is_taken_as_it_is_and_the_call_that_changes_it_is_told(tmp_path):
    own = {"widths": (5,), "image_size": 4, "channels": 1}
    keras_vit.build("mlp", classes=3, **own).save(tmp_path / "best.keras")
    told = {"model": "mlp", "model_options": {"widths": [5], "channels": 1}, "image_size": 4}
    (tmp_path / "options.json").write_text(json.dumps({"options": told}))
    with pytest.raises(ValueError, match="is a trained model, which is taken as it is") as refused:
        keras_vit.build(tmp_path, classes=7)
    call = str(refused.value).partition("take its weights: ")[2]
    rebuilt = eval(call, {"build": keras_vit.build})
    assert rebuilt.output.shape == (None, 7)
    np.testing.assert_array_equal(rebuilt.get_weights()[0], keras_vit.build(tmp_path).get_weights()[0])
    with pytest.raises(ValueError, match="is a trained model"):
        keras_vit.build(tmp_path, weights="other.keras")
    with pytest.raises(ValueError, match=r"build\('mlp', weights='.*best.keras', classes=7\)"):
        keras_vit.build(tmp_path / "best.keras", classes=7)


def test_a_run_that_goes_on_is_its_best_model_so_far_or_says_that_there_is_none_yet(tmp_path, caplog):
    own = {"widths": (5,), "image_size": 4, "channels": 1, "classes": 3}
    (tmp_path / "options.json").write_text("{}")
    takes = (model_of, keras_vit.build, lambda path: keras_vit.build("mlp", weights=path, **own))
    for take in takes:
        with pytest.raises(ValueError, match=r"the run '.*' has no best.keras yet: no epoch of it has ended"):
            take(tmp_path)
    keras_vit.build("mlp", **own).save(tmp_path / "best.keras")
    for take in takes:
        caplog.clear()
        take(tmp_path)
        assert caplog.text.count("has not ended; its best.keras is the best model of the epochs so far") == 1
    (tmp_path / "result.json").write_text("{}")
    caplog.clear()
    model_of(tmp_path)
    assert not caplog.text
    (tmp_path / "best.keras").unlink()
    with pytest.raises(ValueError, match=r"best.keras of the finished run '.*' was removed"):
        model_of(tmp_path)


def test_a_model_file_that_cannot_be_read_is_named(tmp_path):
    (tmp_path / "torn.keras").write_bytes(b"PK nothing")
    with pytest.raises(ValueError, match=r"torn.keras' can't be read as \.keras"):
        model_of(tmp_path / "torn.keras")
