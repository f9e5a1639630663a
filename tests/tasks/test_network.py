"""A training that starts from the model of another one inherits what is still true of it, and says what isn't."""

import dataclasses

import numpy as np
import pytest

import keras_vit
from keras_vit import Classify, Options, bundle, data
from keras_vit.tasks.network import learner_of, network_of
from keras_vit.testing import randomise

_OPTIONS = {"width": 12, "depth": 1, "heads": 3, "mlp_dim": 20, "patch": 8}
_PREPROCESSING = data.Preprocessing((16, 16), 3, (0.1, 0.2, 0.3), (0.4, 0.5, 0.6), "bicubic", 0.7)


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    """The best.keras of a run on images of an ant, a bee and a cat, and its model."""
    model = randomise(keras_vit.build("vit-ti16", classes=3, image_size=16, **_OPTIONS))
    bundle.update(model, labels=("ant", "bee", "cat"), preprocessing=_PREPROCESSING)
    path = tmp_path_factory.mktemp("run") / "best.keras"
    model.save(path)
    return path, model


def _start(file, labels, **options):
    """Returns (network, learner) of a training on images with `labels` that starts from `file`."""
    source = data.Source("pets", {"label": data.Target("class", labels)}, 3, {"train": 7}, None)
    told = Options(task=Classify()).replace(
        model="vit-ti16", image_size=16, model_options=_OPTIONS, weights=str(file), **options
    )
    network = network_of(told, source, classes=len(labels), channels=3)
    return network, learner_of(network, told)


def _head(model):
    return np.array(model.get_layer("head").kernel)


@pytest.mark.parametrize("labels", [("ant", "bee", "cat"), ("ant", "bee", "cat", "dog")])
def test_preprocessing_of_the_file_carries_over_whatever_the_classes(file, labels):
    _, learner = _start(file[0], labels)
    assert learner.preprocessing == learner.training_preprocessing == _PREPROCESSING
    _, learner = _start(file[0].parent, labels, crop=0.9)  # the folder of the run
    assert learner.preprocessing == dataclasses.replace(_PREPROCESSING, crop=0.9)
    assert learner.training_preprocessing == _PREPROCESSING


def test_other_number_of_classes_makes_a_new_head_and_says_so(file, caplog):
    network, _ = _start(file[0], ("dog", "elk"))
    assert "has 3 classes, the model 2: its head is new" in caplog.text
    assert not _head(network).any() and bundle.of(network).labels == ()


def test_head_of_the_same_classes_goes_on_without_a_word(file, caplog):
    network, _ = _start(file[0], ("ant", "bee", "cat"))
    assert not caplog.text
    np.testing.assert_array_equal(_head(network), _head(file[1]))


@pytest.mark.parametrize("labels", [("bee", "ant", "cat"), ("dog", "elk", "fox")])
def test_head_of_as_many_other_classes_goes_on_and_says_so(file, caplog, labels):
    network, _ = _start(file[0], labels)
    assert (
        "was trained to tell 'ant', 'bee', 'cat' apart and goes on with " + ", ".join(map(repr, labels)) in caplog.text
    )
    np.testing.assert_array_equal(_head(network), _head(file[1]))
