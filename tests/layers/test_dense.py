"""Dense and LayerNormalization equal the formulas, whichever way they are computed, in and outside training."""

import math

import keras
import numpy as np
import pytest

from keras_vit.layers import Dense, LayerNormalization

rng = np.random.default_rng(0)


def dense(x, kernel, bias):
    product = x.astype("float64") @ kernel + bias
    return product * (1 + np.vectorize(math.erf, otypes=[float])(product / math.sqrt(2))) / 2


def normalised(x, gamma, beta, epsilon):
    x = x.astype("float64")
    mean, variance = x.mean(-1, keepdims=True), x.var(-1, keepdims=True)
    return (x - mean) / np.sqrt(variance + epsilon) * gamma + beta


def filled(layer, shape):
    """Returns the layer for inputs of `shape`, with random weights, and these."""
    layer.build((None, *shape[1:]))
    values = [rng.normal(size=each.shape) for each in layer.weights]
    layer.set_weights(values)
    return layer, [keras.ops.convert_to_numpy(each).astype("float64") for each in layer.weights]


def graph_of(layer, shape):
    """Returns a function that computes `layer` in a graph of any batch size, as serving does."""
    model = keras.Sequential([keras.Input(shape[1:]), layer])
    return lambda x: model.predict(x, verbose=0)


@pytest.mark.parametrize("shape", [(3, 7), (3, 5, 7), (2, 3, 5, 7), (0, 5, 7), (1, 1, 7)], ids=str)
@pytest.mark.parametrize("training", [False, True])
def test_a_dense_layer_is_product_bias_and_gelu(shape, training):
    layer, (kernel, bias) = filled(Dense(11, activation="gelu"), shape)
    x = rng.normal(size=shape).astype("float32")
    given = keras.ops.convert_to_numpy(layer(x, training=training))
    np.testing.assert_allclose(given, dense(x, kernel, bias).reshape(*shape[:-1], 11), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("shape", [(3, 5, 7), (2, 3, 5, 7)], ids=str)
def test_a_dense_layer_is_the_same_in_a_graph_of_any_batch(shape):
    layer, (kernel, bias) = filled(Dense(11, activation="gelu"), shape)
    x = rng.normal(size=shape).astype("float32")
    np.testing.assert_allclose(graph_of(layer, shape)(x), dense(x, kernel, bias), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("shape", [(3, 7), (3, 5, 7), (2, 3, 5, 7), (1, 1, 7)], ids=str)
@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("epsilon", [1e-6, 1e-1])
def test_a_norm_is_of_each_token_alone(shape, training, epsilon):
    layer, (gamma, beta) = filled(LayerNormalization(epsilon=epsilon), shape)
    x = (3 * rng.normal(size=shape) + 2).astype("float32")
    given = keras.ops.convert_to_numpy(layer(x, training=training))
    np.testing.assert_allclose(given, normalised(x, gamma, beta, epsilon), rtol=1e-4, atol=1e-5)


def test_a_norm_is_the_same_in_a_graph_of_any_batch():
    layer, (gamma, beta) = filled(LayerNormalization(epsilon=1e-6), (3, 5, 7))
    x = (3 * rng.normal(size=(3, 5, 7)) + 2).astype("float32")
    np.testing.assert_allclose(graph_of(layer, x.shape)(x), normalised(x, gamma, beta, 1e-6), rtol=1e-4, atol=1e-5)


def test_a_norm_of_bfloat16_has_moments_of_float32():
    layer, (gamma, beta) = filled(LayerNormalization(epsilon=1e-6, dtype="mixed_bfloat16"), (2, 3, 769))
    x = keras.ops.cast((rng.normal(size=(2, 3, 769)) + 20).astype("float32"), "bfloat16")  # coarse sums would be off
    seen = keras.ops.convert_to_numpy(keras.ops.cast(x, "float32"))
    given = keras.ops.convert_to_numpy(keras.ops.cast(layer(x, training=False), "float32"))
    np.testing.assert_allclose(given, normalised(seen, gamma, beta, 1e-6), rtol=2e-2, atol=4e-2)


@pytest.mark.parametrize(
    "options", [{"scale": False}, {"center": False}, {"axis": 1}, {"axis": (1, 2)}, {"dtype": "float64"}], ids=str
)
def test_a_norm_that_is_not_plain_is_what_keras_makes_of_it(options):
    layer, values = filled(LayerNormalization(**options), (3, 5, 7))
    theirs = keras.layers.LayerNormalization(**options)
    theirs.build((None, 5, 7))
    theirs.set_weights(values)
    x = rng.normal(size=(3, 5, 7)).astype("float32")
    ours, keras_own = (keras.ops.convert_to_numpy(each(x)) for each in (layer, theirs))
    np.testing.assert_array_equal(ours, keras_own)


@pytest.mark.parametrize("make", [lambda: Dense(11, activation="gelu"), LayerNormalization], ids=["dense", "norm"])
def test_gradients_outside_training_are_those_of_training(make):
    import tensorflow as tf

    layer, _ = filled(make(), (3, 5, 7))
    x = tf.constant(rng.normal(size=(3, 5, 7)).astype("float32"))
    found = []
    for training in (False, True):
        with tf.GradientTape() as tape:
            tape.watch(x)
            total = tf.reduce_sum(layer(x, training=training) ** 2)
        found.append(tape.gradient(total, [x, *layer.trainable_variables]))
    for ours, plain in zip(*found, strict=True):
        np.testing.assert_allclose(ours, plain, rtol=1e-3, atol=1e-4)


def test_low_rank_matrices_and_whole_numbers_count():
    layer, (kernel, bias) = filled(Dense(11, activation="gelu"), (3, 5, 7))
    x = rng.normal(size=(3, 5, 7)).astype("float32")
    layer.enable_lora(2)
    layer.lora_kernel_b.assign(rng.normal(size=(2, 11)))
    added = keras.ops.convert_to_numpy(keras.ops.matmul(layer.lora_kernel_a, layer.lora_kernel_b))
    given = keras.ops.convert_to_numpy(layer(x, training=False))
    np.testing.assert_allclose(given, dense(x, kernel + added, bias), rtol=1e-4, atol=1e-4)
    whole, (kernel, bias) = filled(Dense(11, activation="gelu"), (3, 5, 7))
    whole.quantize("int8")
    given = keras.ops.convert_to_numpy(whole(x, training=False))
    np.testing.assert_allclose(given, dense(x, kernel, bias), atol=0.15)
