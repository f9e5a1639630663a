"""The contract that every model family keeps: our own suite runs it over the zoo, a plug-in's author over theirs."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import keras
import numpy as np

from keras_vit import bundle, discovery, keras_internals, registry
from keras_vit.models import count_parameters
from keras_vit.testing.models import CLASSES, randomise, size_of, small, small_config
from keras_vit.weights import load_weights


def check_family(name: str, parameters: dict[str, int] | None = None) -> None:
    """Runs every check of `CHECKS` on the family called `name`; AssertionError says which promise it broke.

    `parameters` maps model names to the published numbers of trainable weights, where there are such.
    """
    for model, expected in (parameters or {}).items():  # first, for it takes no time
        found = count_parameters(model)
        assert found == expected, f"{model} has {found:,} trainable weights, not {expected:,}"
    for check in CHECKS:
        check(name)


def check_variants(name: str) -> None:
    """Every variant can be built and has weights."""
    for row in registry.family(name).variants:
        assert count_parameters(registry.join(name, row)) > 0


def check_outputs(name: str) -> None:
    """A classifier gives finite float32 logits; a backbone gives "map", maybe "prefix", maybe a map per stage."""
    logits = _run(small(name), 2)
    assert logits.shape == (2, CLASSES) and logits.dtype == "float32" and np.isfinite(logits).all()
    assert logits.std() > 0, "the logits don't depend on anything"
    backbone = small(name, classes=0)
    assert backbone.input.name == "images", f"the input is called {backbone.input.name!r}, not 'images'"
    features = _run(backbone, 2)
    stages = [f"stage_{i}" for i in range(sum(key.startswith("stage_") for key in features))]
    assert set(features) - {"prefix"} == {"map", *stages}, f"a backbone gives {set(features)}"
    assert features["map"].ndim == 4, f"the map is {features['map'].shape}, not (B, h, w, D)"
    sides = [features[key].shape[1] for key in stages]
    assert sides == sorted(sides, reverse=True), f"the maps of the stages grow: {sides}"
    assert not stages or features[stages[-1]].shape[1:3] == features["map"].shape[1:3]
    if "prefix" in features:
        assert features["prefix"].shape[::2] == (2, features["map"].shape[3])


def check_names(name: str) -> None:
    """Two models of one configuration name their weights alike, each weight by a name of its own."""
    first, second = ([weight.path for weight in small(name).weights] for _ in range(2))
    assert first == second, f"a layer lacks a name: {sorted(set(first) ^ set(second))}"
    assert len(set(first)) == len(first), "two weights have one name"


def check_sizes(name: str) -> None:
    """The same weights run at twice the size and on an image that is no square; size None takes them all."""
    _, config = small_config(name)
    height, width = size_of(config)
    if not _any_size(config):
        try:
            small(name, image_size=None)
        except ValueError as error:
            assert "image_size" in str(error), f"the refusal of image_size=None doesn't name it: {error}"
            return
        raise AssertionError(f"{name} says any_size=False but builds with image_size=None")
    sizes = [(height, width), (2 * height, 2 * width), (height, 2 * width)]
    fixed = [small(name, image_size=size) for size in sizes]
    opened = small(name, image_size=None)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.weights.h5"
        opened.save_weights(path)
        for size, model in zip(sizes, fixed, strict=True):
            load_weights(model, path)
            images = _images(1, (*size, config.channels))
            _close(_call(model, images), _call(opened, images), 1e-4, f"image_size=None differs at {size}")


def check_channels(name: str) -> None:
    """Images of 1 and of 5 channels are taken."""
    for channels in (1, 5):
        assert _run(small(name, channels=channels), 2).shape == (2, CLASSES)


def check_precision(name: str) -> None:
    """Under mixed_bfloat16 weights and logits stay float32 and the logits near those of float32."""
    before = keras.config.dtype_policy()
    exact = small(name)
    try:
        keras.config.set_dtype_policy("mixed_bfloat16")
        mixed = small(name)
    finally:
        keras.config.set_dtype_policy(before)
    mixed.set_weights(exact.get_weights())
    assert {str(weight.dtype) for weight in mixed.trainable_weights} == {"float32"}
    used = {layer.compute_dtype for layer in keras_internals.flat_layers(mixed) if layer.weights}
    assert "bfloat16" in used, "no layer computes in bfloat16: pass the policy on to inner layers"
    logits = _run(mixed, 2)
    assert logits.dtype == "float32"
    _close(logits, _run(exact, 2), 0.1, "bfloat16 is far from float32")


def check_saving(name: str) -> None:
    """A saved model loads, computes the same, and saves again."""
    model, images = small(name), _images(2, small(name).input.shape[1:])
    expected = _call(model, images)
    with tempfile.TemporaryDirectory() as folder:
        for i in range(2):
            path = Path(folder) / f"{i}.keras"
            model.save(path)
            model = keras.models.load_model(path)
            _close(_call(model, images), expected, 1e-5, "the loaded model differs")


def check_freezing(name: str) -> None:
    """What is frozen of a model, the layers within its layers too, is frozen in its clone."""
    model = small(name)
    for layer in _layers(model)[::3]:
        layer.trainable = False
    clone = keras.models.clone_model(model)
    for every in (_layers, lambda each: each.weights):
        both = zip(every(model), every(clone), strict=True)
        differing = [one.path or one.name for one, other in both if one.trainable != other.trainable]
        assert not differing, f"a clone freezes others: {differing}; layers of layers are keras_vit.layers.Recorded"


def check_fresh_process(name: str) -> None:
    """A saved model loads in a process that has only imported keras and keras_vit, and is exported there as it was.

    It serves with the preprocessing that travels with it. A family that no entry point offers is imported there too; of
    one that was registered in a notebook nothing can be checked.
    """
    module = registry.family(name).module
    if module == "__main__":
        return
    by_hand = f", {module}" if name not in discovery.installed() else ""
    mean, std = (0.1, 0.2, 0.3), (0.4, 0.5, 0.6)
    size = size_of(small_config(name)[1])
    model = small(name, channels=3)
    bundle.update(
        model, preprocessing={"image_size": size, "channels": 3, "mean": mean, "std": std}, labels=list("abcdefg")
    )
    images = _images(2, (*size, 3))
    with tempfile.TemporaryDirectory() as folder:
        model.save(f"{folder}/model.keras")
        np.save(f"{folder}/images.npy", images)
        _run_fresh(_FRESH.format(by_hand=by_hand, folder=folder))
        _close(np.load(f"{folder}/logits.npy"), _call(model, images), 1e-4, "the model loaded in a new process differs")
        if keras.backend.backend() == "tensorflow":
            _check_bytes(f"{folder}/served", model, size, lambda pixels: (pixels / 255 - mean) / std, "abcdefg")


_FRESH = """
import keras, keras_vit{by_hand}
model = keras.saving.load_model("{folder}/model.keras")
import numpy as np
np.save("{folder}/logits.npy", keras.ops.convert_to_numpy(model(np.load("{folder}/images.npy"), training=False)))
if keras.backend.backend() == "tensorflow":
    keras_vit.export(model, "{folder}/served")
"""


def _run_fresh(code):
    found = {"PYTHONPATH": os.pathsep.join(filter(None, sys.path)), "KERAS_BACKEND": keras.backend.backend()}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=os.environ | found)
    assert done.returncode == 0, f"a model saved here doesn't load in a new process:\n{done.stderr[-3000:]}"


def check_weights(name: str) -> None:
    """Weights saved to a file load into a new model by load_weights, all of them."""
    model, other = small(name), randomise(small(name), seed=1)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.weights.h5"
        model.save_weights(path)
        report = load_weights(other, path)
    assert len(report.of("loaded")) == len(model.weights)
    images = _images(2, model.input.shape[1:])
    _close(_call(other, images), _call(model, images), 1e-6, "the loaded weights differ")


def check_gradients(name: str) -> None:
    """One step of training moves every trainable weight."""
    model = small(name)
    before = [np.array(weight) for weight in model.trainable_weights]
    model.compile(keras.optimizers.SGD(1.0), keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    model.train_on_batch(_images(4, model.input.shape[1:]), np.arange(4) % CLASSES)
    still = [w.path for w, old in zip(model.trainable_weights, before, strict=True) if np.array_equal(np.array(w), old)]
    assert not still, f"no gradient reaches {', '.join(still)}"


def check_export(name: str) -> None:
    """An exported SavedModel computes the same, for any batch, from arrays and from PNG bytes.

    Where the family takes images of any size, one graph must serve several: what is right when called may not trace.
    """
    if keras.backend.backend() != "tensorflow":
        return
    _, config = small_config(name)
    size = size_of(config)
    _check_served(small(name, channels=3), size, [size])
    if _any_size(config):
        _check_served(small(name, image_size=None, channels=3), size, [size, (size[0], 2 * size[1])])


def _check_served(model, size, sizes):
    """The SavedModel of `model` does at `sizes` what the model does; files are brought to `size`."""
    import tensorflow as tf

    from keras_vit.data import Preprocessing
    from keras_vit.serving import export

    with tempfile.TemporaryDirectory() as folder:
        folder = export(model, Path(folder) / "1", preprocessing=Preprocessing(size))
        served = tf.saved_model.load(str(folder))
        for shape in sizes:
            for count in (1, 3):
                images = _images(count, (*shape, 3))
                logits = served.signatures["serving_default"](images=tf.constant(images))["logits"]
                _close(logits, _call(model, images), 1e-4, f"the SavedModel differs at {shape}")
        _check_bytes(folder, model, size, lambda pixels: pixels / 127.5 - 1, "0123456")


def _check_bytes(folder, model, size, prepared, labels):
    """The SavedModel in `folder` finds in a PNG of `size` what `model` finds in its `prepared` pixels."""
    import tensorflow as tf

    pixels = np.random.default_rng(0).integers(0, 256, (*size, 3), dtype="uint8")
    served = tf.saved_model.load(str(folder))
    got = served.signatures["serving_bytes"](image_bytes=tf.io.encode_png(pixels)[None])
    expected = keras.ops.convert_to_numpy(keras.ops.softmax(_call(model, prepared(pixels[None]).astype("float32"))))[0]
    _close(got["probabilities"][0], np.sort(expected)[::-1][:5], 1e-3, "serving_bytes differs")
    # each label by its probability: random weights may give several classes the same one
    named = [labels.index(label.decode()) for label in got["labels"][0].numpy()]
    assert len(set(named)) == len(named), f"serving_bytes names a class twice: {named}"
    _close(got["probabilities"][0], expected[named], 1e-3, "serving_bytes gives probabilities to other labels")


CHECKS = (
    check_variants,
    check_outputs,
    check_names,
    check_sizes,
    check_channels,
    check_precision,
    check_saving,
    check_freezing,
    check_fresh_process,
    check_weights,
    check_gradients,
    check_export,
)


def _layers(model):
    return [each for each in keras_internals.flat_layers(model) if not isinstance(each, keras.layers.InputLayer)]


def _any_size(config):
    return getattr(config, "any_size", True)


def _images(count, shape):
    return np.random.default_rng(3).normal(size=(count, *shape)).astype("float32")


def _call(model, images):
    return keras.tree.map_structure(keras.ops.convert_to_numpy, model(images, training=False))


def _run(model, count):
    return _call(model, _images(count, model.input.shape[1:]))


def _close(got, expected, tolerance, message):
    got, expected = np.asarray(got), np.asarray(expected)
    error = np.abs(got - expected).max() / max(np.abs(expected).max(), 1e-6)
    assert error <= tolerance, f"{message}: by {error:.2g} of the largest value, {tolerance:g} is allowed"
