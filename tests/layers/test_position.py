"""Positions: learned and resized, sine and cosine, on grids of any size."""

import keras
import numpy as np
import pytest
from kit.layers import close, ready
from kit.numpy_reference import weights_of

from keras_vit import layers
from keras_vit.layers.position import resize_table, sine_cosine
from keras_vit.testing import randomise

B, D = 2, 15


def test_learned_position_is_added_to_its_cell(rng):
    layer = ready(layers.PositionEmbedding((3, 5)), (B, 3, 5, D))
    cells = rng.normal(size=(B, 3, 5, D))
    close(layer(cells), cells + weights_of(layer)["table"])


def _bicubic_by_hand(line, count):
    """Interpolates the samples `line` at `count` places with Keys' kernel, smoothed where it shrinks."""
    known, out = len(line), []
    scale = max(known / count, 1.0)
    for i in range(count):
        centre, total, weight = (i + 0.5) * known / count - 0.5, 0.0, 0.0
        for j in range(known):
            x = abs(j - centre) / scale
            k = 1.5 * x**3 - 2.5 * x**2 + 1 if x < 1 else -0.5 * x**3 + 2.5 * x**2 - 4 * x + 2 if x < 2 else 0.0
            total, weight = total + k * line[j], weight + k
        out.append(total / weight)
    return np.array(out)


@pytest.mark.parametrize("size", [(7, 11), (2, 3), (3, 13)])
def test_position_of_another_grid_is_resized_bicubically(rng, size):
    table = rng.normal(size=(5, 5, 2))
    expected = np.stack(
        [
            np.stack([_bicubic_by_hand(row, size[1]) for row in half], 0)
            for half in [np.stack([_bicubic_by_hand(table[:, j, d], size[0]) for j in range(5)], 1) for d in range(2)]
        ],
        -1,
    )
    close(resize_table(table, size), expected)
    layer = layers.PositionEmbedding((5, 5))
    layer.build((B, 5, 5, 2))
    layer.table.assign(table)
    close(layer(np.zeros((1, *size, 2), "float32"))[0], expected)


def test_open_size_resizes_in_the_graph_to_each_image(rng):
    images = keras.Input((None, None, 2))
    layer = layers.PositionEmbedding((5, 7))
    model = keras.Model(images, layer(images))
    randomise(model)
    for size in [(5, 7), (3, 11)]:
        close(model(np.zeros((1, *size, 2), "float32"))[0], np.asarray(resize_table(layer.table, size)))


def test_keras_weights_of_another_grid_are_resized_on_load(tmp_path):
    def model(grid):
        images = keras.Input((*grid, 2))
        return keras.Model(images, layers.PositionEmbedding(grid, name="position")(images))

    old, new = randomise(model((5, 7))), model((3, 4))
    old.save_weights(tmp_path / "old.weights.h5")
    new.load_weights(tmp_path / "old.weights.h5")
    close(new.weights[0], np.asarray(resize_table(old.weights[0], (3, 4))))


def test_sine_cosine_position_is_fixed_and_as_published():
    layer = layers.PositionEmbedding((3, 5), kind="sincos")
    got = layer(np.zeros((1, 3, 5, 12), "float32"))[0]
    assert layer.weights == []
    for y, x in [(0, 0), (2, 3), (1, 4)]:
        omega = 10000 ** -(np.arange(3) / 3)
        close(got[y, x], np.concatenate([np.sin(x * omega), np.cos(x * omega), np.sin(y * omega), np.cos(y * omega)]))


def test_sine_cosine_refuses_a_width_that_has_no_quarters():
    with pytest.raises(ValueError, match="4 divides, not 14"):
        sine_cosine((2, 2), 14)
