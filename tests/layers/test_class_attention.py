"""Talking heads and class attention against their equations written out."""

import keras
import numpy as np
import pytest

from keras_vit import layers

_TOKENS, _WIDTH, _HEADS = 7, 15, 3


def _random(layer, rng):
    if not layer.built:
        layer.build((None, _TOKENS, _WIDTH))
    for weight in layer.weights:
        weight.assign(rng.normal(0, 0.5, size=weight.shape))
    return {weight.path.partition("/")[2]: np.array(weight, "float64") for weight in layer.weights}


def _softmax(x):
    e = np.exp(x - x.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


def _heads(x, w):
    """Returns q, k and v of one image's tokens `x` (N, D), each (heads, N, d)."""
    parts = np.split(x @ w["qkv/kernel"] + w["qkv/bias"], 3, axis=-1)
    return [np.stack(np.split(part, _HEADS, axis=-1)) for part in parts]


def _joined(attended, w):
    return np.concatenate(list(attended), axis=-1) @ w["out/kernel"] + w["out/bias"]


def _mixed(x, weights):
    kernel, bias = weights[:-1], weights[-1]
    return np.stack([sum(x[h] * kernel[h, i] for h in range(_HEADS)) + bias[i] for i in range(_HEADS)])


def test_talking_heads_equal_their_equations(rng):
    attention = layers.MultiHeadAttention(_HEADS, talking_heads=True, name="attention")
    w, x = _random(attention, rng), rng.normal(size=(2, _TOKENS, _WIDTH))
    out, scores = map(keras.ops.convert_to_numpy, attention(x, intermediates=["attention"]).values())
    for image, got, matrix in zip(x, out, scores, strict=True):
        q, k, v = _heads(image, w)
        logits = _mixed(q @ k.transpose(0, 2, 1) / (_WIDTH / _HEADS) ** 0.5, w["mix_logits"])
        expected = _mixed(_softmax(logits), w["mix_scores"])
        np.testing.assert_allclose(matrix, expected, atol=1e-5)
        np.testing.assert_allclose(got, _joined(expected @ v, w), atol=1e-4)
    np.testing.assert_allclose(keras.ops.convert_to_numpy(attention(x)), out, atol=1e-5)


@pytest.mark.parametrize("queries", [1, 2])
def test_first_tokens_alone_ask(rng, queries):
    attention = layers.MultiHeadAttention(_HEADS, queries=queries, name="attention")
    w, x = _random(attention, rng), rng.normal(size=(2, _TOKENS, _WIDTH))
    out, scores = map(keras.ops.convert_to_numpy, attention(x, intermediates=["attention"]).values())
    assert scores.shape == (2, _HEADS, queries, _TOKENS)
    for image, got in zip(x, out, strict=True):
        q, k, v = _heads(image, w)
        attended = _softmax(q[:, :queries] @ k.transpose(0, 2, 1) / (_WIDTH / _HEADS) ** 0.5) @ v
        np.testing.assert_allclose(got, _joined(attended, w), atol=1e-4)
    np.testing.assert_allclose(keras.ops.convert_to_numpy(attention(x)), out, atol=1e-5)


def test_block_changes_the_asking_token_alone(rng):
    one = layers.TransformerBlock(_HEADS, 11, queries=1, layer_scale=0.1, name="one")
    every = layers.TransformerBlock(_HEADS, 11, layer_scale=0.1, name="every")
    _random(one, rng)
    every.build((None, _TOKENS, _WIDTH))
    every.set_weights(one.get_weights())
    x = rng.normal(size=(2, _TOKENS, _WIDTH)).astype("float32")
    got, full = (keras.ops.convert_to_numpy(block(x)) for block in (one, every))
    np.testing.assert_array_equal(got[:, 1:], x[:, 1:])
    np.testing.assert_allclose(got[:, 0], full[:, 0], atol=1e-5)
    assert np.abs(got[:, 0] - x[:, 0]).max() > 0.1


@pytest.mark.parametrize("options", [{"talking_heads": True}, {"queries": 1}])
def test_saved_block_computes_the_same(rng, tmp_path, options):
    tokens = keras.Input((None, _WIDTH))
    block = layers.TransformerBlock(_HEADS, 11, name="block", **options)
    model = keras.Model(tokens, block(tokens))
    _random(block, rng)
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    x = rng.normal(size=(2, _TOKENS, _WIDTH)).astype("float32")
    got, expected = (keras.ops.convert_to_numpy(each(x)) for each in (loaded, model))
    np.testing.assert_allclose(got, expected, atol=1e-5)
