"""Standardised convolutions, edge padding, and the residual blocks made of them, against NumPy written out."""

import keras
import numpy as np
import pytest
from kit.references import relative

from keras_vit import layers
from keras_vit.testing import randomise


def _convolve(x, kernel, stride, before, after):
    """Returns the convolution of `x` (B, h, w, C) padded by `before` and `after` zeros, one cell at a time."""
    x = np.pad(x, ((0, 0), (before, after), (before, after), (0, 0)))
    size = kernel.shape[0]
    height, width = ((side - size) // stride + 1 for side in x.shape[1:3])
    out = np.zeros((len(x), height, width, kernel.shape[3]))
    for i in range(height):
        for j in range(width):
            window = x[:, i * stride : i * stride + size, j * stride : j * stride + size]
            out[:, i, j] = np.tensordot(window, kernel, 3)
    return out


def _standardise(kernel):
    flat = kernel.reshape(-1, kernel.shape[3]).astype("float64")
    return ((flat - flat.mean(0)) / np.sqrt(flat.var(0) + 1e-8)).reshape(kernel.shape)


def _group_norm(x, gamma, beta, groups):
    split = x.reshape(len(x), -1, groups, x.shape[3] // groups)
    mean, variance = split.mean((1, 3), keepdims=True), split.var((1, 3), keepdims=True)
    return ((split - mean) / np.sqrt(variance + 1e-5)).reshape(x.shape) * gamma + beta


def _array(tensor):
    return keras.ops.convert_to_numpy(tensor).astype("float32")


def _model(layer, shape, folder):
    """Returns the functional model of `layer`, with random weights, saved and loaded."""
    images = keras.Input(shape)
    model = randomise(keras.Model(images, layer(images)))
    model.save(folder / "layer.keras")
    return keras.models.load_model(folder / "layer.keras")


def test_standardised_convolution_equals_numpy(tmp_path, rng):
    x = rng.normal(size=(2, 7, 5, 3)).astype("float32")
    model = _model(layers.StandardisedConv2D(11, 3, name="conv"), x.shape[1:], tmp_path)
    kernel, bias = (_array(weight) for weight in model.weights)
    expected = _convolve(x, _standardise(kernel), 1, 0, 0) + bias
    assert relative(_array(model(x)), expected) < 1e-5


def test_standardised_convolution_keeps_its_precision_in_bfloat16(rng):
    kernel = 30 + rng.normal(size=(3, 3, 5, 7)).astype("float32")  # a mean that 8 bits confuse with the values
    x = rng.normal(size=(2, 5, 5, 5)).astype("float32")
    layer = layers.StandardisedConv2D(7, 3, use_bias=False, dtype="mixed_bfloat16")
    layer.build(x.shape)
    layer.kernel.assign(kernel)
    exact = kernel.astype("bfloat16").astype("float32")  # autocast rounds it before the layer sees it
    assert relative(_array(layer(x)), _convolve(x, _standardise(exact), 1, 0, 0)) < 0.03


def test_edge_padding_equals_numpy(tmp_path, rng):
    x = rng.normal(size=(2, 3, 5, 7)).astype("float32")
    model = _model(layers.EdgePadding2D(name="pad"), (None, None, 7), tmp_path)
    assert model.output.shape == (None, None, None, 7)
    np.testing.assert_array_equal(_array(model(x)), np.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)), mode="edge"))


# for 6 cells and stride 2 the windows of "even" begin a cell before the map, those of "same" end a cell behind it
@pytest.mark.parametrize(("padding", "before", "after"), [("even", 1, 1), ("same", 0, 1)])
@pytest.mark.parametrize("preactivation", [False, True])
def test_residual_block_equals_numpy(tmp_path, rng, preactivation, padding, before, after):
    x = rng.normal(size=(2, 6, 6, 4)).astype("float32")
    block = layers.ResidualBlock(6, 2, preactivation=preactivation, groups=2, padding=padding, name="block")
    model = _model(block, x.shape[1:], tmp_path)
    assert model.output.shape == (None, 3, 3, 24)
    w = {weight.path.removeprefix("block/"): _array(weight) for weight in model.weights}

    def conv(x, name, stride=1, before=0, after=0):
        return _convolve(x, _standardise(w[f"{name}/kernel"]), stride, before, after)

    def norm(x, name):
        return _group_norm(x, w[f"{name}/gamma"], w[f"{name}/beta"], 2)

    def relu(x):
        return np.maximum(x, 0)

    if preactivation:
        start = relu(norm(x, "norm1"))
        branch = relu(norm(conv(start, "conv1"), "norm2"))
        branch = relu(norm(conv(branch, "conv2", 2, before, after), "norm3"))
        expected = conv(start, "shortcut", 2) + conv(branch, "conv3")
    else:
        branch = relu(norm(conv(x, "conv1"), "norm1"))
        branch = relu(norm(conv(branch, "conv2", 2, before, after), "norm2"))
        expected = relu(norm(conv(x, "shortcut", 2), "shortcut_norm") + norm(conv(branch, "conv3"), "norm3"))
    assert relative(_array(model(x)), expected) < 1e-4


def test_residual_block_without_a_shortcut_adds_its_input(rng):
    x = rng.normal(size=(2, 3, 5, 12)).astype("float32")
    block = layers.ResidualBlock(3, preactivation=True)
    block.build(x.shape)
    for weight in block.weights:
        if weight.path.endswith("kernel"):
            weight.assign(np.zeros(weight.shape))
    np.testing.assert_array_equal(_array(block(x)), x)


def test_convolutional_stem_equals_numpy(rng):
    images = keras.Input((13, 11, 3))
    model = randomise(keras.Model(images, layers.convolutional_stem(images, (5, 7))))
    x = rng.normal(size=(2, 13, 11, 3))
    weights = {weight.path: _array(weight).astype("float64") for weight in model.weights}
    expected = x
    for i in range(2):
        expected = _convolve(expected, weights[f"conv_{i}/kernel"], 2, 1, 1)
        norm = {name: weights[f"conv_{i}_norm/{name}"] for name in ("gamma", "beta", "moving_mean", "moving_variance")}
        expected = (expected - norm["moving_mean"]) / np.sqrt(norm["moving_variance"] + 1e-5)
        expected = np.maximum(expected * norm["gamma"] + norm["beta"], 0)
    assert expected.shape == (2, 4, 3, 7)
    assert relative(_array(model(x.astype("float32"))), expected) < 1e-5
