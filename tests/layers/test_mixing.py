"""The blocks of Mixer and ResMLP against their equations written out."""

import math

import keras
import numpy as np
import pytest

from keras_vit import layers

_TOKENS, _WIDTH = 7, 5
_LINEAR = {"token_mlp_dim": None, "norm": "affine", "layer_scale": 0.1}


def _random(layer, rng):
    if not layer.built:
        layer.build((None, _TOKENS, _WIDTH))
    for weight in layer.weights:
        weight.assign(rng.normal(size=weight.shape))
    return {weight.path.partition("/")[2]: np.array(weight, "float64") for weight in layer.weights}


def _gelu(x):
    return 0.5 * x * (1 + np.vectorize(math.erf)(x / 2**0.5))


def _norm(x, w, name):
    x = (x - x.mean(-1, keepdims=True)) / np.sqrt(x.var(-1, keepdims=True) + 1e-6)
    return x * w[f"{name}/gamma"] + w[f"{name}/beta"]


def _affine(x, w, name):
    return x * w[f"{name}/alpha"] + w[f"{name}/beta"]


def _mlp(x, w, name):
    return _gelu(x @ w[f"{name}/fc1/kernel"] + w[f"{name}/fc1/bias"]) @ w[f"{name}/fc2/kernel"] + w[f"{name}/fc2/bias"]


def test_mixer_block_equals_its_equations(rng):
    block = layers.MixerBlock(token_mlp_dim=11, mlp_dim=13, name="block")
    w, x = _random(block, rng), rng.normal(size=(3, _TOKENS, _WIDTH))
    mixed = x + np.swapaxes(_mlp(np.swapaxes(_norm(x, w, "norm1"), 1, 2), w, "tokens"), 1, 2)
    expected = mixed + _mlp(_norm(mixed, w, "norm2"), w, "mlp")
    np.testing.assert_allclose(keras.ops.convert_to_numpy(block(x)), expected, rtol=1e-4, atol=1e-4)


def test_linear_affine_block_equals_its_equations(rng):
    block = layers.MixerBlock(mlp_dim=13, name="block", **_LINEAR)
    w, x = _random(block, rng), rng.normal(size=(3, _TOKENS, _WIDTH))
    over_tokens = np.swapaxes(_affine(x, w, "norm1"), 1, 2) @ w["tokens/kernel"] + w["tokens/bias"]
    mixed = x + w["scale1/gamma"] * np.swapaxes(over_tokens, 1, 2)
    expected = mixed + w["scale2/gamma"] * _mlp(_affine(mixed, w, "norm2"), w, "mlp")
    np.testing.assert_allclose(keras.ops.convert_to_numpy(block(x)), expected, rtol=1e-4, atol=1e-4)


def test_new_affine_layer_changes_nothing(rng):
    x = rng.normal(size=(2, 3, _WIDTH)).astype("float32")
    np.testing.assert_array_equal(keras.ops.convert_to_numpy(layers.Affine()(x)), x)


@pytest.mark.parametrize("options", [{"token_mlp_dim": 11}, _LINEAR], ids=["perceptron", "linear"])
def test_saved_block_computes_the_same(rng, tmp_path, options):
    tokens = keras.Input((_TOKENS, _WIDTH))
    block = layers.MixerBlock(mlp_dim=13, drop_path=0.3, dropout=0.2, name="block", **options)
    model = keras.Model(tokens, block(tokens))
    _random(block, rng)
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    x = rng.normal(size=(3, _TOKENS, _WIDTH)).astype("float32")
    got, expected = (keras.ops.convert_to_numpy(each(x)) for each in (loaded, model))
    np.testing.assert_allclose(got, expected, atol=1e-5)


def test_sample_whose_branches_are_dropped_passes_unchanged(rng):
    block = layers.MixerBlock(token_mlp_dim=11, mlp_dim=13, drop_path=0.5, name="block")
    _random(block, rng)
    x = rng.normal(size=(64, _TOKENS, _WIDTH)).astype("float32")
    out = keras.ops.convert_to_numpy(block(x, training=True))
    unchanged = (out == x).all(axis=(1, 2)).mean()
    assert 0.05 < unchanged < 0.5, "a quarter of the samples should skip both branches"


def test_open_number_of_tokens_is_refused():
    with pytest.raises(ValueError, match="fixed number"):
        layers.MixerBlock(token_mlp_dim=11, mlp_dim=13).build((None, None, _WIDTH))


def test_unknown_norm_is_refused():
    with pytest.raises(ValueError, match="norm is one of layer, affine, not 'batch'"):
        layers.MixerBlock(token_mlp_dim=11, mlp_dim=13, norm="batch")
