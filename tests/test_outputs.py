"""What a model gives is found out where it ends, and becomes its probabilities in one way."""

import keras
import numpy as np
import pytest
from keras import ops

from keras_vit import bundle, heads, keras_internals
from keras_vit.outputs import probabilities_of, with_logits
from keras_vit.testing import randomise, small

IMAGES = np.random.default_rng(3).normal(size=(3, 32, 32, 3)).astype("float32")


@pytest.fixture(scope="module")
def plain():
    """A model of logits, and its logits."""
    model = small("vit", depth=1)
    return model, np.asarray(model(IMAGES))


def fused(activation):
    def end(model):
        head = model.get_layer("head")
        dense = heads.LinearHead(7, reads="token", activation=activation, name="head")
        ended = keras.Model(model.input, dense(keras_internals.call_node(model, head).input_tensors[0]))
        dense.set_weights(head.get_weights())
        return ended

    return end


def after(*layers):
    def end(model):
        x = model.output
        for layer in layers:
            x = layer(x)
        return keras.Model(model.input, x)

    return end


ENDS = {
    "a softmax layer": (after(keras.layers.Softmax()), "softmax"),
    "a sigmoid": (after(keras.layers.Activation("sigmoid")), "sigmoid"),
    "an operation": (after(ops.softmax), "softmax"),
    "another operation": (after(ops.sigmoid), "sigmoid"),
    "a function of Keras": (after(keras.activations.softmax), "softmax"),
    "a fused softmax": (fused("softmax"), "softmax"),
    "a fused sigmoid": (fused("sigmoid"), "sigmoid"),
    "a softmax and what passes it on": (
        after(keras.layers.Softmax(), keras.layers.Dropout(0.5), keras.layers.Activation("linear")),
        "softmax",
    ),
    "a Sequential": (lambda model: keras.Sequential([model, keras.layers.Softmax()]), "softmax"),
    "a model in a model": (lambda model: after(keras.layers.Softmax())(around(model)), "softmax"),
    "nothing": (lambda model: model, "softmax"),
    "a linear layer in float32": (after(keras.layers.Activation("linear", dtype="float32")), "softmax"),
    "log-probabilities": (after(ops.log_softmax), "softmax"),
}


def around(model):
    images = keras.Input(model.input_shape[1:])
    return keras.Model(images, model(images), name="around")


def reference(logits, activation):
    if activation == "sigmoid":
        return 1 / (1 + np.exp(-logits))
    e = np.exp(logits - logits.max(1, keepdims=True))
    return e / e.sum(1, keepdims=True)


@pytest.mark.parametrize("end", ENDS)
def test_logits_and_their_activation_are_found_before(end, plain):
    make, activation = ENDS[end]
    model, logits = plain
    found, said = with_logits(make(model))
    assert said == activation
    got = np.asarray(found(IMAGES))
    expected = np.log(reference(logits, "softmax")) if end == "log-probabilities" else logits
    np.testing.assert_allclose(got, expected, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(probabilities_of(got, said), reference(logits, activation), rtol=1e-4)


@pytest.mark.parametrize("activation", ["softmax", "sigmoid"])
def test_mean_of_probabilities_stays_their_mean(activation):
    models, images = [randomise(small("vit", depth=1), seed) for seed in (1, 2)], keras.Input((32, 32, 3))
    named = [keras.Model(model.input, model.output, name=f"model_{i}") for i, model in enumerate(models)]
    ends = [keras.layers.Activation(activation)(model(images)) for model in named]
    found, said = with_logits(keras.Model(images, keras.layers.Average()(ends)))
    expected = np.mean([reference(np.asarray(model(IMAGES)), activation) for model in models], axis=0)
    np.testing.assert_allclose(probabilities_of(np.asarray(found(IMAGES)), said), expected, rtol=1e-4, atol=1e-6)


def test_what_travels_with_a_model_says_what_logits_mean_and_one_class_has_a_sigmoid():
    model = small("vit", depth=1)
    bundle.update(model, activation="sigmoid")
    assert with_logits(model)[1] == with_logits(keras.models.clone_model(model))[1] == "sigmoid"
    assert with_logits(after(keras.layers.Softmax())(model))[1] == "softmax"
    assert with_logits(small("vit", depth=1, classes=1))[1] == "sigmoid"
    with pytest.raises(ValueError, match="activation is 'softmax' or 'sigmoid', not 'relu'"):
        bundle.update(model, activation="relu")
    with pytest.raises(ValueError, match="'activations' is nothing that travels with a model; that is preprocessing"):
        bundle.update(model, activations="relu")


@pytest.mark.parametrize(
    ("last", "named"),
    [(keras.layers.Rescaling(2.0, name="scale"), "'scale', a Rescaling"), (ops.relu, "a Relu")],
    ids=["layer", "operation"],
)
def test_what_may_be_either_is_asked_for(last, named, plain):
    with pytest.raises(ValueError, match=f"nothing says whether .* logits or probabilities: it ends with .*{named}"):
        with_logits(after(last)(plain[0]))


def test_probabilities_of_large_logits_neither_overflow_nor_vanish():
    logits = np.array([[1000.0, -1000.0, 0.0]])
    with np.errstate(all="raise", under="ignore"):
        np.testing.assert_array_equal(probabilities_of(logits, "sigmoid"), [[1, 0, 0.5]])
        np.testing.assert_array_equal(probabilities_of(logits, "softmax"), [[1, 0, 0]])
