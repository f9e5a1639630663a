"""Rotary positions against their equations written out, in any grid."""

import keras
import numpy as np
import pytest
from keras.ops import convert_to_numpy

from keras_vit import layers

_WIDTH, _BLOCKS, _HEADS, _PREFIX = 8, 2, 3, 2
_GRID = (5, 3)


def _pairs(layer, grid=_GRID):
    return [(convert_to_numpy(sin), convert_to_numpy(cos)) for sin, cos in layer(np.zeros((1, *grid, 7), "float32"))]


def _place(n, grid=_GRID):
    """Returns the (column, row) of the token `n`, whatever stands before the map."""
    row, column = divmod(n, grid[1])
    return column, row


def test_fixed_angles_are_column_then_row_at_falling_frequencies():
    layer = layers.RotaryPosition(_WIDTH, _BLOCKS, temperature=100.0)
    (sin, cos), again = _pairs(layer)
    assert sin.shape == cos.shape == (15, _WIDTH)
    for n in range(15):
        column, row = _place(n)
        angles = [column, column, column / 10, column / 10, row, row, row / 10, row / 10]  # 100 ** -(1 / 2) is 1 / 10
        np.testing.assert_allclose(sin[n], np.sin(angles), atol=1e-6)
        np.testing.assert_allclose(cos[n], np.cos(angles), atol=1e-6)
    np.testing.assert_array_equal(sin, again[0])


def test_mixed_angles_are_the_products_of_places_and_learned_frequencies(rng):
    layer = layers.RotaryPosition(_WIDTH, _BLOCKS, _HEADS)
    layer.build((None, *_GRID, 7))
    learned = rng.normal(size=(2, _BLOCKS, _HEADS, _WIDTH // 2))
    layer.frequencies.assign(learned)
    pairs = _pairs(layer)
    assert len(pairs) == _BLOCKS
    for block, head, n, i in np.ndindex(_BLOCKS, _HEADS, 15, _WIDTH):
        column, row = _place(n)
        angle = column * learned[0, block, head, i // 2] + row * learned[1, block, head, i // 2]
        assert abs(pairs[block][0][head, n, i] - np.sin(angle)) < 1e-5
        assert abs(pairs[block][1][head, n, i] - np.cos(angle)) < 1e-5


@pytest.mark.parametrize("heads", [None, _HEADS])
def test_prefix_tokens_are_not_turned_and_the_others_as_without_them(heads):
    with_prefix = layers.RotaryPosition(_WIDTH, _BLOCKS, heads, prefix=_PREFIX)
    alone = layers.RotaryPosition(_WIDTH, _BLOCKS, heads)
    for layer in (with_prefix, alone):
        layer.build((None, *_GRID, 7))
    alone.set_weights(with_prefix.get_weights())
    for (sin, cos), (sin_alone, cos_alone) in zip(_pairs(with_prefix), _pairs(alone), strict=True):
        assert (sin[..., :_PREFIX, :] == 0).all() and (cos[..., :_PREFIX, :] == 1).all()
        np.testing.assert_array_equal(sin[..., _PREFIX:, :], sin_alone)
        np.testing.assert_array_equal(cos[..., _PREFIX:, :], cos_alone)


def test_mixed_frequencies_begin_orthogonal_in_each_head_and_differ_among_heads():
    layer = layers.RotaryPosition(_WIDTH, _BLOCKS, _HEADS, temperature=10.0)
    layer.build((None, *_GRID, 7))
    along, down = convert_to_numpy(layer.frequencies)
    sizes = np.hypot(along, down)
    np.testing.assert_allclose(sizes, np.broadcast_to([1, 10**-0.5] * 2, sizes.shape), rtol=1e-5)
    half = _WIDTH // 4
    dots = along[..., :half] * along[..., half:] + down[..., :half] * down[..., half:]
    np.testing.assert_allclose(dots, 0, atol=1e-6)
    assert len({round(float(value), 5) for value in along[..., 0].ravel()}) == _BLOCKS * _HEADS


def test_angles_keep_float32_digits_under_a_mixed_policy():
    exact = layers.RotaryPosition(_WIDTH, _BLOCKS, _HEADS)
    mixed = layers.RotaryPosition(_WIDTH, _BLOCKS, _HEADS, dtype="mixed_bfloat16")
    for layer in (exact, mixed):
        layer.build((None, *_GRID, 7))
    mixed.set_weights(exact.get_weights())
    for pair, expected in zip(_pairs(mixed, (5, 97)), _pairs(exact, (5, 97)), strict=True):
        np.testing.assert_allclose(pair, expected, atol=1e-6)


@pytest.mark.parametrize("heads", [None, _HEADS])
@pytest.mark.parametrize("size", [(*_GRID,), (None, None)], ids=["fixed", "open"])
def test_saved_model_that_turns_its_tokens_computes_the_same(tmp_path, rng, heads, size):
    images = keras.Input((*size, 24))
    tokens = layers.ToTokens(name="tokens")(images)
    turns = layers.RotaryPosition(_WIDTH, _BLOCKS, heads, name="rotary")(images)
    for i in range(_BLOCKS):
        tokens = layers.TransformerBlock(_HEADS, 11, name=f"block_{i}")(tokens, rotary=turns[i])
    model = keras.Model(images, tokens)
    model.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras")
    x = rng.normal(size=(2, *_GRID, 24)).astype("float32")
    got, expected = convert_to_numpy(again(x)), convert_to_numpy(model(x))
    np.testing.assert_allclose(got, expected, rtol=1e-5, atol=1e-6)
    flipped = convert_to_numpy(model(np.ascontiguousarray(x[:, ::-1]))).reshape(x.shape)[:, ::-1]
    assert np.abs(flipped - expected.reshape(x.shape)).max() > 1e-3, "attention doesn't see where the tokens are"


def test_heads_of_a_width_that_four_does_not_divide_are_refused():
    with pytest.raises(ValueError, match="that 4 divides, not 6"):
        layers.RotaryPosition(6, 1)
