"""What every test may need: quiet TensorFlow, random weights, and the reference models."""

import collections
import contextlib
import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("KERAS_BACKEND", "tensorflow")

if os.environ.get("REQUIRE_ALL") == "1":
    with contextlib.suppress(Exception):
        import timm  # the operators that torchvision compiled don't load once TensorFlow is there

import keras
import numpy as np
import pytest
from kit.skipping import required


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport():
    """Fails a test that was skipped, where all are required."""
    return required((yield))


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report():
    """Fails a file that was skipped as a whole, where all are required."""
    return required((yield))


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
