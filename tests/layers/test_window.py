"""Attention within windows against its definition, cell by cell, and on maps whose size only the graph knows."""

import keras
import numpy as np
import pytest
from kit.skipping import skip_by_nature

from keras_vit import build, layers
from keras_vit.testing import randomise
from keras_vit.weights import load_weights

_HEADS, _WIDTH, _WINDOW = 2, 6, (3, 5)
_PADDINGS = ("timm", "original", "masked")
_FAR = -100.0


def _layer(shape, **options):
    layer = layers.WindowAttention(_HEADS, _WINDOW, name="attention", **options)
    layer.build((None, *shape, _WIDTH))
    return randomise(layer, seed=3)


def _axis(side, window, shift, padding):
    """Returns along one axis for each padded row: its window, place therein, region, and row in the map or -1."""
    window, shift = min(window, side), window // 2 if shift and side > window else 0
    full = -(-side // window) * window
    rows = []
    for row in range(full):
        round_of = side if padding == "timm" else full  # what goes round: the map alone, or its padding too
        place = (row - shift) % round_of if row < round_of else row
        border = 0 if place < full - window else 1 if place < full - shift else 2
        region = "padding" if padding == "masked" and row >= side else border
        rows.append((place // window, place % window, region, row if row < side else -1))
    return rows


def _expected(layer, image):
    """Returns what `layer` should make of an `image` (h, w, D), every cell asking every other."""
    w = {weight.path.partition("/")[2]: np.array(weight, "float64") for weight in layer.weights}
    sides = image.shape[:2]
    rows, columns = (_axis(*each, layer.shift, layer.padding) for each in zip(sides, layer.window, strict=True))
    cells = [(r, c) for r in rows for c in columns]
    zero = np.zeros(_WIDTH)
    x = np.stack([image[r[3], c[3]] if r[3] >= 0 and c[3] >= 0 else zero for r, c in cells])
    q, k, v = np.split(x @ w["within/qkv/kernel"] + w["within/qkv/bias"], 3, axis=-1)
    size, table = _WIDTH // _HEADS, w["bias/table"]
    centre = np.array(table.shape[:2]) // 2
    attended = np.zeros_like(x)
    for head in range(_HEADS):
        part = slice(head * size, (head + 1) * size)
        for i, (r, c) in enumerate(cells):
            same = [j for j, (s, d) in enumerate(cells) if (s[0], d[0]) == (r[0], c[0])]
            logits = []
            for j in same:
                s, d = cells[j]
                bias = table[centre[0] + r[1] - s[1], centre[1] + c[1] - d[1], head]
                far = _FAR if (r[2], c[2]) != (s[2], d[2]) else 0.0
                logits.append(q[i, part] @ k[j, part] / size**0.5 + bias + far)
            scores = np.exp(np.array(logits) - max(logits))
            attended[i, part] = scores / scores.sum() @ v[same, part]
    out = attended @ w["within/out/kernel"] + w["within/out/bias"]
    result = np.zeros(image.shape)
    for (r, c), cell in zip(cells, out, strict=True):
        if r[3] >= 0 and c[3] >= 0:
            result[r[3], c[3]] = cell
    return result


@pytest.mark.parametrize("padding", _PADDINGS)
@pytest.mark.parametrize("shift", [False, True])
@pytest.mark.parametrize("shape", [(6, 10), (7, 11), (4, 5), (2, 13), (2, 4)])
def test_window_attention_equals_its_definition(rng, shape, shift, padding):
    layer = _layer(shape, shift=shift, padding=padding)
    images = rng.normal(size=(2, *shape, _WIDTH))
    got = keras.ops.convert_to_numpy(layer(images.astype("float32")))
    for image, each in zip(images, got, strict=True):
        np.testing.assert_allclose(each, _expected(layer, image), atol=1e-5)


def test_paddings_differ_only_where_windows_do_not_fill_the_map(rng):
    for shape, alike in (((6, 10), True), ((7, 11), False)):
        x = rng.normal(size=(1, *shape, _WIDTH)).astype("float32")
        several = [_layer(shape, shift=True, padding=padding) for padding in _PADDINGS]
        for layer in several[1:]:
            layer.set_weights(several[0].get_weights())
        timm, original, masked = (np.array(layer(x)) for layer in several)
        for one, other in ((timm, original), (timm, masked), (original, masked)):
            assert np.allclose(one, other, atol=1e-5) == alike, shape


def test_unknown_padding_is_refused():
    with pytest.raises(ValueError, match="padding is one of timm, original, masked, not 'same'"):
        layers.WindowAttention(_HEADS, _WINDOW, padding="same")


def test_a_further_bias_is_added_to_the_logits(rng):
    layer, x = _layer((6, 10), shift=True), rng.normal(size=(2, 6, 10, _WIDTH)).astype("float32")
    onto_first = np.zeros((_HEADS, 15, 15), "float32")
    onto_first[:, :, 0] = 1e3
    scores = layer(x, bias=onto_first, intermediates=["attention"])["attention"]
    assert scores.shape == (2, 4, _HEADS, 15, 15)
    np.testing.assert_allclose(np.array(scores)[..., 0], 1.0, atol=1e-6)


def test_block_gives_the_matrix_of_each_window(rng):
    block = layers.TransformerBlock(_HEADS, 8, window=_WINDOW, shift=True, name="block")
    x = rng.normal(size=(2, 7, 11, _WIDTH)).astype("float32")
    block(x)
    scores = np.array(randomise(block)(x, intermediates=["attention"])["attention"])
    assert scores.shape == (2, 3 * 3, _HEADS, 15, 15)
    scores = scores.reshape(-1, _HEADS, 15, 15)
    np.testing.assert_allclose(scores.sum(-1), 1.0, atol=1e-5)
    assert (scores[4, :, :, :] > 1e-6).all()  # the window in the middle has no border
    assert (scores[8] < 1e-6).any()
    alone = np.array(block(x[1:], intermediates=["attention"])["attention"])
    np.testing.assert_allclose(scores[9:], alone[0], atol=1e-5)


def test_block_of_windows_refuses_what_they_lack():
    with pytest.raises(ValueError, match="neither talking_heads nor queries"):
        layers.TransformerBlock(_HEADS, 8, window=_WINDOW, queries=1)


def test_saved_block_of_windows_computes_the_same(rng, tmp_path):
    images = keras.Input((7, 11, _WIDTH))
    block = layers.TransformerBlock(_HEADS, 8, window=_WINDOW, shift=True, padding="masked", name="block")
    model = randomise(keras.Model(images, block(images)))
    model.save(tmp_path / "model.keras")
    x = rng.normal(size=(2, 7, 11, _WIDTH)).astype("float32")
    np.testing.assert_allclose(keras.models.load_model(tmp_path / "model.keras")(x), model(x), atol=1e-6)


@pytest.mark.parametrize("padding", _PADDINGS)
def test_graph_of_open_size_computes_what_a_fixed_size_does(rng, tmp_path, padding):
    tf = pytest.importorskip("tensorflow")
    if keras.backend.backend() != "tensorflow":
        skip_by_nature("only TensorFlow's graphs have sizes that are not known")
    small = {"blocks": (2, 2, 2), "width": 8, "heads": (2, 4, 8), "window": 3, "classes": 7, "padding": padding}
    opened = randomise(build("swin-t", image_size=None, **small))
    opened.save_weights(tmp_path / "swin.weights.h5")
    graph = tf.function(opened, input_signature=[tf.TensorSpec((None, None, None, 3))])
    for size in [(28, 28), (36, 52), (30, 41), (9, 64)]:
        model = build("swin-t", image_size=size, **small)
        load_weights(model, tmp_path / "swin.weights.h5")
        images = rng.normal(size=(2, *size, 3)).astype("float32")
        np.testing.assert_allclose(graph(images), model(images), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("size", [(8, 12), (7, 13), (5, 9)])
def test_patches_that_do_not_fill_an_image_are_filled_with_zeros(rng, size):
    embed = layers.PatchEmbed(5, (4, 6), pad=True, name="embed")
    x = rng.normal(size=(2, *size, 3)).astype("float32")
    embed(x)
    randomise(embed)
    full = np.zeros((2, 8, -(-size[1] // 6) * 6, 3))
    full[:, : size[0], : size[1]] = x
    patches = full.reshape(2, 2, 4, -1, 6, 3).transpose(0, 1, 3, 2, 4, 5)
    expected = np.einsum("bijhwc,hwcd->bijd", patches, np.array(embed.kernel)) + np.array(embed.bias)
    np.testing.assert_allclose(embed(x), expected, atol=1e-4)
