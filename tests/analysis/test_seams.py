"""What is measured of a model is that of the same model within another, with an activation, in batches, of integers."""

import keras
import numpy as np
import pytest

from keras_vit import analysis, bundle
from keras_vit.analysis.probabilities import probabilities
from keras_vit.testing import small

FAMILIES = ["vit", "swin", "resnet", "cait", "mixer", "convnext"]
OPTIONS = {"mixer": {"image_size": 32}}


@pytest.fixture(scope="module")
def models():
    return {family: small(family) for family in FAMILIES}


def images_of(model, count=3):
    return np.random.default_rng(5).normal(size=(count, *model.input_shape[1:])).astype("float32")


def nested(model):
    return keras.Sequential([keras.Input(model.input_shape[1:]), keras.layers.Rescaling(2.0), model])


@pytest.mark.parametrize("family", FAMILIES)
def test_a_model_within_another_is_looked_into_by_every_method(family, models):
    model, images = models[family], images_of(models[family])
    outer = nested(model)
    assert analysis.methods(outer) == analysis.methods(model)
    for method in analysis.methods(model):
        options = {"patch": 16, "value": 0.0} if method == "occlusion" else {}
        expected = analysis.attention(model, 2 * images, method, **options)
        np.testing.assert_allclose(analysis.attention(outer, images, method, **options), expected, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("activation", ["softmax", "sigmoid"])
def test_gradients_and_occlusion_of_a_model_that_ends_with_an_activation_are_of_its_logits(activation, models):
    model, images = models["vit"], images_of(models["vit"])
    ended = keras.Model(model.input, keras.layers.Activation(activation)(model.output))
    for method in ("gradient", "gradcam"):
        expected = analysis.attention(model, images, method, target=2)
        np.testing.assert_allclose(analysis.attention(ended, images, method, target=2), expected, rtol=1e-4)
    shares = np.asarray(ended(images), "float64")
    np.testing.assert_allclose(probabilities(ended, images), shares, rtol=1e-4)
    hidden = images.copy()
    hidden[:, :16, 16:] = 0.25
    expected = shares[:, 4] - np.asarray(ended(hidden), "float64")[:, 4]
    got = analysis.attention(ended, images, "occlusion", patch=16, value=0.25, target=4)
    np.testing.assert_allclose(got[:, 0, 1], expected, rtol=1e-3, atol=1e-6)


def test_probabilities_of_classes_that_do_not_exclude_each_other_are_sigmoids(models):
    model, images = small("vit", depth=1), images_of(models["vit"])
    bundle.update(model, activation="sigmoid")
    expected = 1 / (1 + np.exp(-np.asarray(model(images), "float64")))
    np.testing.assert_allclose(probabilities(model, images), expected, rtol=1e-5)
    drop = expected[:, 1] - 1 / (1 + np.exp(-np.asarray(model(0 * images), "float64")))[:, 1]
    got = analysis.attention(model, images, "occlusion", patch=32, target=1)
    np.testing.assert_allclose(got[:, 0, 0], drop, rtol=1e-3, atol=1e-6)


def test_a_model_of_unknown_outputs_offers_no_method_that_needs_logits(models):
    model = models["vit"]
    scaled = keras.Model(model.input, keras.layers.Rescaling(2.0)(model.output))
    assert analysis.methods(scaled) == ["raw", "dino", "rollout"]
    with pytest.raises(ValueError, match="'gradcam' won't do for .*: nothing says whether .* logits or probabilities"):
        analysis.attention(scaled, images_of(model), "gradcam")


@pytest.mark.parametrize("method", analysis.METHODS)
def test_batches_and_whole_numbers_change_nothing(method, models):
    model = models["vit"]
    pixels = np.random.default_rng(5).integers(0, 9, size=(5, *model.input_shape[1:]))
    options = {"target": [0, 1, 2, 3, 4]} if method in ("gradient", "gradcam", "occlusion") else {}
    expected = analysis.attention(model, pixels.astype("float32"), method, **options)
    got = analysis.attention(model, pixels.astype("uint8"), method, batch=2, **options)
    np.testing.assert_allclose(got, expected, rtol=1e-4, atol=1e-6)


def broken(images, value):
    images = images.copy()
    images[1, 3, 3, 0] = value
    return images


BAD_IMAGES = {
    "another size": (lambda x: x[:, :16], r"takes images \('B', 32, 32, 3\), not \(3, 16, 32, 3\)"),
    "other channels": (lambda x: x[..., :1], r"not \(3, 32, 32, 1\)"),
    "one image without a batch": (lambda x: x[0], r"not \(32, 32, 3\)"),
    "no image": (lambda x: x[:0], r"not \(0, 32, 32, 3\)"),
    "NaN": (lambda x: broken(x, np.nan), "1 of 3 images hold NaN or infinity, such as number 1"),
    "infinity": (lambda x: broken(x, -np.inf), "1 of 3 images hold NaN or infinity"),
    "text": (lambda x: x.astype(str), "takes images of numbers, not of <U32"),
    "complex numbers": (lambda x: x + 1j, "takes images of numbers, not of complex"),
}
MEASURES = {
    "attention": lambda model, x, **o: analysis.attention(model, x, "raw", **o),
    "attention_distance": analysis.attention_distance,
    "skip_ratio": analysis.skip_ratio,
    "receptive field": lambda model, x, **o: analysis.effective_receptive_field(model, x, "block_0", channels=1, **o),
    "localisation": analysis.localisation,
    "cka": lambda model, x, **o: analysis.cka(model, model, x, **o),
    "probe": lambda model, x, **o: analysis.probe(model, (x, np.arange(len(x))), (x, np.arange(len(x))), **o),
}


@pytest.mark.parametrize("measure", MEASURES)
def test_images_that_the_model_does_not_take_are_named(measure, models):
    for change, says in BAD_IMAGES.values():
        with pytest.raises(ValueError, match=says):
            MEASURES[measure](models["vit"], change(images_of(models["vit"])))


@pytest.mark.parametrize("batch", [0, -3, 2.5, None, True])
@pytest.mark.parametrize("measure", MEASURES)
def test_a_batch_that_is_no_number_of_images_is_named(measure, batch, models):
    with pytest.raises(ValueError, match=f"batch is how many images are computed at once, at least 1, not {batch}"):
        MEASURES[measure](models["vit"], images_of(models["vit"], 4), batch=batch)
