"""The relative position bias: its entries, its resizing, and its weights."""

import keras
import numpy as np
import pytest
from kit.skipping import needs

from keras_vit import layers
from keras_vit.layers.relative import resize_bias
from keras_vit.weights import load_weights

_HEADS = 5


def _layer(window, prefix, rng):
    layer = layers.RelativePositionBias(window, _HEADS, prefix=prefix, name="bias")
    layer.build()
    for weight in layer.weights:
        weight.assign(rng.normal(size=weight.shape))
    return layer


def _written_out(table, prefix_table, window):
    """Returns the bias (heads, N, N), pair by pair of cells."""
    height, width = window
    cells = [(y, x) for y in range(height) for x in range(width)]
    first = len(prefix_table) // 3
    bias = np.zeros((_HEADS, first + len(cells), first + len(cells)))
    if first:
        bias[:, 0, :], bias[:, :, 0] = prefix_table[0][:, None], prefix_table[1][:, None]
        bias[:, 0, 0] = prefix_table[2]
    for i, (y, x) in enumerate(cells):
        for j, (other_y, other_x) in enumerate(cells):
            bias[:, first + i, first + j] = table[y - other_y + height - 1, x - other_x + width - 1]
    return bias


@pytest.mark.parametrize("prefix", [0, 1])
@pytest.mark.parametrize("window", [(2, 3), (4, 1), (1, 1)])
def test_bias_is_that_of_the_distance(rng, window, prefix):
    layer = _layer(window, prefix, rng)
    table, *prefix_table = (np.array(weight) for weight in layer.weights)
    expected = _written_out(table, prefix_table[0] if prefix else [], window)
    np.testing.assert_allclose(keras.ops.convert_to_numpy(layer()), expected, atol=1e-6)
    assert layer.compute_output_shape() == expected.shape
    assert layer.compute_output_shape((None, *window, 7)) == expected.shape


@pytest.mark.parametrize(
    ("window", "ratios"),
    [((5, 2), ((13**0.5 - 1) / 2, 1.01)), ((9, 4), (1.5, 1.01))],  # 1 + q + q^2 = the new reach, within 1.01 and 1.5
)
def test_table_is_resized_linearly_between_geometric_places(rng, window, ratios):
    table = rng.normal(size=(7, 7, _HEADS)).astype("float32")  # of 4 x 4 cells

    def along(axis_values, size, ratio):
        reach = np.array([1, 1 + ratio, 1 + ratio + ratio**2])
        places = np.concatenate([-reach[::-1], [0], reach])
        return np.interp(np.arange(1 - size, size), places, axis_values)

    expected = np.apply_along_axis(along, 0, table, window[0], ratios[0])
    expected = np.apply_along_axis(along, 1, expected, window[1], ratios[1])
    got = keras.ops.convert_to_numpy(resize_bias(table, window))
    np.testing.assert_allclose(got, expected, atol=1e-4)  # the ratio itself is found to 1e-6


@pytest.mark.parametrize("prefix", [0, 1])
@pytest.mark.parametrize("size", [(4, 5), (7, 2), (3, 11), (1, 6)])
def test_map_of_another_size_gets_the_resized_table(rng, size, prefix):
    layer, other = _layer((4, 5), prefix, rng), _layer(size, prefix, rng)
    other.table.assign(resize_bias(np.array(layer.table), size) if size != (4, 5) else layer.table)
    if prefix:
        other.prefix_table.assign(layer.prefix_table)
    got = keras.ops.convert_to_numpy(layer(np.zeros((2, *size, 3), "float32")))
    np.testing.assert_allclose(got, keras.ops.convert_to_numpy(other()), atol=1e-6)


@needs(keras.backend.backend() == "tensorflow", "only TensorFlow has graphs of open size")
def test_graph_of_open_size_gives_what_eager_gives(rng):
    import tensorflow as tf

    layer = _layer((4, 5), 1, rng)
    graph = tf.function(layer, input_signature=[tf.TensorSpec((None, None, None, 3))])
    for size in [(4, 5), (9, 14), (2, 3), (1, 1), (40, 5)]:
        cells = np.zeros((2, *size, 3), "float32")
        np.testing.assert_allclose(graph(cells), layer(cells), atol=1e-4, err_msg=str(size))


def _model(window):
    images = keras.Input((*window, 3), name="images")
    bias = layers.RelativePositionBias(window, _HEADS, prefix=1, name="bias")(images)
    return keras.Model(images, layers.TransformerBlock(5, 7, name="block")(_tokens(images), bias=bias), name="vit")


def _tokens(images):
    x = keras.layers.Dense(20, name="embed")(layers.ToTokens(name="tokens")(images))
    return layers.ClassToken(name="class_token")(x)


def test_saved_model_computes_the_same(rng, tmp_path):
    model = _model((4, 5))
    for weight in model.weights:
        weight.assign(np.asarray(weight) + rng.normal(size=weight.shape))
    images = rng.normal(size=(2, 4, 5, 3)).astype("float32")
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    got, expected = (keras.ops.convert_to_numpy(each(images)) for each in (loaded, model))
    np.testing.assert_allclose(got, expected, atol=1e-6)


@pytest.mark.parametrize("loader", ["keras", "keras_vit"])
def test_weights_of_another_window_are_resized(rng, tmp_path, loader):
    small, large = _model((4, 5)), _model((6, 3))
    bias = small.get_layer("bias")
    for weight in bias.weights:
        weight.assign(rng.normal(size=weight.shape))
    small.save_weights(tmp_path / "small.weights.h5")
    if loader == "keras":
        large.load_weights(tmp_path / "small.weights.h5")
    else:
        report = load_weights(large, tmp_path / "small.weights.h5")
        assert [(row.ours, row.action) for row in report.of("resized")] == [("bias/table", "resized 7x9 to 11x5")]
    expected = keras.ops.convert_to_numpy(resize_bias(np.array(bias.table), (6, 3)))
    np.testing.assert_allclose(np.array(large.get_layer("bias").table), expected, atol=1e-6)
    np.testing.assert_array_equal(np.array(large.get_layer("bias").prefix_table), np.array(bias.prefix_table))


def test_more_prefix_tokens_than_one_are_refused():
    with pytest.raises(ValueError, match="prefix is 0 or 1, not 2"):
        layers.RelativePositionBias(7, 3, prefix=2)
