"""Where a model is asked for, its name with its weights will do."""

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
    for name in (tmp_path, tmp_path / "best.keras"):
        found = model_of(str(name))
        np.testing.assert_array_equal(found.get_weights()[0], model.get_weights()[0])
    for name in (tmp_path / "nowhere", tmp_path / "nowhere.keras"):
        with pytest.raises(ValueError, match=r"nowhere.*' is no folder of a finished run, and no \.keras file"):
            model_of(str(name))
