"""The examples in the docstrings run, and give what they say."""

import doctest
import inspect

import keras
import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

import keras_vit
from keras_vit import analysis

SHOWN = {
    f"analysis.{name}": getattr(analysis, name)
    for name in analysis.__all__
    if inspect.isfunction(getattr(analysis, name)) or name == "MinibatchCKA"
} | {
    name: getattr(keras_vit, name) for name in ("build", "export", "load_weights", "preprocessing", "train")
} | {
    "data.read_images": keras_vit.data.read_images,
    "data.Preprocessing.__call__": keras_vit.data.Preprocessing.__call__,
}  # fmt: skip


@pytest.fixture(scope="module")
def names():
    """What the examples take as given: two small ViTs, images as they take them, and labels."""
    rng = np.random.default_rng(17)
    small = {"classes": 10, "image_size": 32, "patch": 8, "depth": 2, "width": 16}
    model, other = (keras_vit.build("vit-ti16", **small) for _ in range(2))
    for each in (model, other):
        keras_vit.bundle.update(each, preprocessing=keras_vit.preprocessing("vit-ti16", image_size=32))
        each.get_layer("head").kernel.assign(rng.normal(size=(16, 10)))
    images = rng.normal(size=(12, 32, 32, 3)).astype("float32")
    modules = {"keras": keras, "keras_vit": keras_vit, "np": np, "tf": tf}
    return modules | {"model": model, "other": other, "images": images, "labels": np.arange(12) % 3}


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=pytest.mark.slow if name in ("export", "train") else ()) for name in SHOWN]
)
def test_example_of_a_public_function_runs(name, names, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    for file in ("cat.png", "dog.png"):
        Image.new("RGB", (48, 64), "teal").save(file)
    found = doctest.DocTestParser().get_doctest(inspect.getdoc(SHOWN[name]), dict(names), name, None, None)
    assert found.examples, f"help({name}) shows no example"
    said = []
    result = doctest.DocTestRunner(verbose=False).run(found, out=said.append)
    assert result.failed == 0, "".join(said)
