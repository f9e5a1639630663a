"""A model that was saved on TensorFlow computes the same on JAX and on PyTorch."""

import importlib.util
import os
import subprocess
import sys

import numpy as np
import pytest

import keras_vit
from keras_vit.testing import small

LOAD = """
import sys, keras, keras_vit, numpy as np
for name in keras_vit.list_families():
    keras_vit.list_models(name + "*")
    model = keras.models.load_model(f"{sys.argv[1]}/{name}.keras")
    saved = np.load(f"{sys.argv[1]}/{name}.npz")
    got = keras.ops.convert_to_numpy(model(saved["images"], training=False))
    print(name, np.abs(got - saved["logits"]).max() / np.abs(saved["logits"]).max())
assert "tensorflow" not in sys.modules
"""


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """A folder with the small model of every family, its input and its output."""
    folder = tmp_path_factory.mktemp("saved")
    for name in keras_vit.list_families():
        model = small(name)
        images = np.random.default_rng(2).normal(size=(2, *model.input.shape[1:])).astype("float32")
        model.save(folder / f"{name}.keras")
        np.savez(folder / f"{name}.npz", images=images, logits=model(images, training=False))
    return folder


@pytest.mark.parametrize("backend", ["jax", "torch"])
def test_saved_model_computes_the_same_elsewhere(saved, backend):
    if importlib.util.find_spec(backend) is None:
        pytest.skip(f"{backend} is not installed")
    # each operation of each shape is compiled for one call: what makes it fast takes longer than it saves
    environment = os.environ | {"KERAS_BACKEND": backend, "JAX_DISABLE_MOST_OPTIMIZATIONS": "1"}
    done = subprocess.run([sys.executable, "-c", LOAD, saved], capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr
    differences = dict(line.split() for line in done.stdout.splitlines())
    assert sorted(differences) == keras_vit.list_families()
    assert max(map(float, differences.values())) < 1e-4, differences
