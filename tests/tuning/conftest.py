"""A small search over a landscape whose peak is known."""

import keras
import pytest
from kit.tuning_program import SPACE

from keras_vit.recipes import tune_classifier
from keras_vit.tuning import tune as tuning


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory):
    return str(tmp_path_factory.mktemp("data"))


@pytest.fixture
def quick(monkeypatch, request):
    """Nothing that a training leaves behind has to be cleared, and one picture is enough."""
    monkeypatch.setattr(keras.utils, "clear_session", lambda: None)
    if "picture" not in request.function.__name__:
        monkeypatch.setattr(tuning, "parallel_picture", lambda *_: None)


@pytest.fixture
def search(tmp_path, data_dir, quick):
    smoke = tune_classifier.smoke()
    here = {"data_dir": data_dir, "output": str(tmp_path / "search")}
    return smoke.replace(trials=7, space=SPACE, learning_rate=1e-4, **here)
