"""The effective receptive field is the mean |gradient| of the centre cell, by kernels and differences written out."""

import keras
import numpy as np
import pytest

from keras_vit.analysis import effective_receptive_field, field_share
from keras_vit.testing import small


@pytest.fixture
def linear():
    """Two convolutions without activation, whose gradients are their kernels: maps of 9 x 11 and 7 x 9 cells."""
    images = keras.Input((11, 13, 2))
    x = keras.layers.Conv2D(5, 3, kernel_initializer="normal", name="stage_0")(images)
    return keras.Model(images, keras.layers.Conv2D(7, 3, kernel_initializer="normal", name="stage_1")(x), name="two")


def fields_by_hand(model):
    """The kernels, the second spread by the first, laid at the centre cell."""
    one, two = (np.asarray(model.get_layer(name).kernel, "float64") for name in ("stage_0", "stage_1"))
    first, second = np.zeros((11, 13)), np.zeros((11, 13))
    first[9 // 2 : 9 // 2 + 3, 11 // 2 : 11 // 2 + 3] = np.abs(one).mean(axis=(2, 3))
    both = np.zeros((5, 5, 2, 7))
    for y, x in np.ndindex(3, 3):
        both[y : y + 3, x : x + 3] += np.einsum("abcd,de->abce", one, two[y, x])
    second[7 // 2 : 7 // 2 + 5, 9 // 2 : 9 // 2 + 5] = np.abs(both).mean(axis=(2, 3))
    return {"stage_0": first, "stage_1": second}


def test_field_of_convolutions_is_that_of_their_kernels(linear, rng):
    images = rng.normal(size=(3, 11, 13, 2)).astype("float32")
    got = effective_receptive_field(linear, images, ["stage_0", "stage_1"], channels=None, batch=2)
    for name, expected in fields_by_hand(linear).items():
        np.testing.assert_allclose(got[name], expected, rtol=1e-4, atol=1e-7)


def test_drawn_channels_are_right_on_the_average(linear, rng):
    image = rng.normal(size=(1, 11, 13, 2)).astype("float32")
    draws = [effective_receptive_field(linear, image, "stage_1", channels=2, seed=i)["stage_1"] for i in range(80)]
    expected = fields_by_hand(linear)["stage_1"]
    assert np.std(draws, axis=0).max() > 0.1 * expected.max()  # they do differ
    assert np.abs(np.mean(draws, axis=0) - expected).max() < 0.1 * expected.max()
    np.testing.assert_allclose(
        effective_receptive_field(linear, image, "stage_1", channels=7)["stage_1"], expected, rtol=1e-4, atol=1e-7
    )


@pytest.mark.parametrize("family", ["vit", "dinov2", "deit"])
def test_tokens_are_found_behind_those_before_the_patches(family):
    """Up to the first attention a token knows its own patch only, of the 4 x 4 the one in the third row and column."""
    model = small(family)
    images = np.random.default_rng(3).normal(size=(2, 32, 32, 3)).astype("float32")
    got = effective_receptive_field(model, images, ["embed", "norm1_0", "attended_0", "block_0"], channels=3)
    for name in ("embed", "norm1_0"):
        inside = got[name][16:24, 16:24]
        assert (inside > 0).all() and got[name].sum() == pytest.approx(inside.sum())
    for name in ("attended_0", "block_0"):
        assert (got[name] > 0).mean() > 0.99
    assert field_share(got["block_0"]) < field_share(got["attended_0"])  # what skips the attention is local


def test_field_of_a_vit_is_what_small_changes_of_pixels_do():
    model = small("vit")
    image = np.random.default_rng(3).normal(size=(1, 32, 32, 3)).astype("float32")
    got = effective_receptive_field(model, image, "block_2", channels=None)["block_2"]
    cell = keras.Model(model.input, model.get_layer("block_2").output[:, 1 + 2 * 4 + 2])
    for y, x in ((3, 5), (17, 18), (30, 9)):
        step = 1e-2
        changed = np.repeat(image, 6, axis=0)
        for channel in range(3):
            changed[channel, y, x, channel] += step
            changed[3 + channel, y, x, channel] -= step
        up, down = np.split(np.asarray(cell(changed), "float64"), 2)
        assert got[y, x] == pytest.approx(np.abs((up - down) / (2 * step)).mean(), rel=0.03)


def test_images_count_alike_however_they_are_batched():
    model = small("resnet")
    images = np.random.default_rng(3).normal(size=(3, 32, 32, 3)).astype("float32")
    whole, alone = (
        effective_receptive_field(model, images, "stage_1", channels=None, batch=batch)["stage_1"] for batch in (3, 1)
    )
    np.testing.assert_allclose(whole, alone, rtol=1e-3, atol=1e-6)
    assert whole.max() > 0


def test_taps_without_cells_are_refused():
    model = small("vit")
    images = np.ones((1, 32, 32, 3))
    for name in ("attention_1", "query_0", "head"):
        with pytest.raises(ValueError, match=f"'{name}' of vit-ti16 gives .*take a layer such as 'block_2', 'norm'"):
            effective_receptive_field(model, images, name)
    with pytest.raises(ValueError, match=r"\('B', 24, 14\), no cells of a map"):
        effective_receptive_field(small("mixer"), np.ones((1, 32, 48, 3)), "token_mlp_0")
    with pytest.raises(ValueError, match="no tap 'block_7'"):
        effective_receptive_field(model, images, ["block_7"])
    with pytest.raises(ValueError, match=r"\(None for all\), at least 1, not 0"):
        effective_receptive_field(model, images, "block_0", channels=0)


def test_share_is_that_of_the_strongest_pixels():
    field = np.array([[5.0, 1.0, 1.0], [1.0, 1.0, 1.0]])
    assert field_share(field) == pytest.approx(1 / 6)
    assert field_share(field, 0.65) == pytest.approx(3 / 6)
