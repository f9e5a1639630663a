"""What is measured of a model doesn't depend on the backend that measures it."""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from kit.measuring_program import measure

from keras_vit.testing import small

pytest.importorskip("sklearn")


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """A folder with two models, images, and what TensorFlow measures."""
    folder = tmp_path_factory.mktemp("saved")
    np.save(folder / "images.npy", np.random.default_rng(2).normal(size=(12, 28, 28, 3)).astype("float32"))
    small("vit", image_size=28, patch=7).save(folder / "vit.keras")
    small("swin").save(folder / "swin.keras")
    np.savez(folder / "expected.npz", **measure(folder))
    return folder


@pytest.mark.parametrize("backend", ["jax", "torch"])
def test_measures_are_the_same_elsewhere(saved, backend):
    if importlib.util.find_spec(backend) is None:
        pytest.skip(f"{backend} is not installed")
    program = Path(__file__).parents[1] / "kit" / "measuring_program.py"
    done = subprocess.run(
        [sys.executable, program, saved], capture_output=True, text=True, env=os.environ | {"KERAS_BACKEND": backend}
    )
    assert done.returncode == 0, done.stderr
    differences = dict(line.rsplit(": ", 1) for line in done.stdout.splitlines())
    assert len(differences) == 12
    assert max(map(float, differences.values())) < 1e-3, differences
