"""What every test may need: quiet TensorFlow, random weights, and the reference models."""

import collections
import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("KERAS_BACKEND", "tensorflow")

import keras
import numpy as np
import pytest


def pytest_collection_modifyitems(items):
    """Puts slow files and those of many tests first, so that no worker is left alone with one at the end."""
    tests = collections.Counter(item.path for item in items)
    items.sort(key=lambda item: (item.get_closest_marker("slow") is None, -tests[item.path]))


@pytest.fixture
def rng():
    return np.random.default_rng(17)


@pytest.fixture(autouse=True)
def _same_start():
    """Every test begins with the same seeds and in float32, whatever ran before it."""
    keras.utils.set_random_seed(17)
    keras.mixed_precision.set_global_policy("float32")
    yield
    keras.mixed_precision.set_global_policy("float32")


@pytest.fixture(scope="session")
def timm():
    """The reference implementation; tests that need it are skipped where the parity extra isn't installed."""
    torch = pytest.importorskip("torch")
    try:
        import torchvision  # noqa: F401
    except Exception:  # a torchvision without its compiled operators still lets timm import, once they are declared
        library = torch.library.Library("torchvision", "DEF")
        library.define("nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
        library.define("qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    return pytest.importorskip("timm")
