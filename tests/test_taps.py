"""Taps give what the layers compute, of models built, reloaded and in bfloat16; attention maps follow their papers."""

import keras
import numpy as np
import pytest
from numpy_reference import attend, layer_norm, weights_of

import keras_vit
from keras_vit import analysis
from keras_vit.taps import list_taps, tap
from keras_vit.testing import randomise

HEADS, GRID = 3, (2, 3)


@pytest.fixture
def model():
    options = {"width": 12, "depth": 3, "heads": HEADS, "hidden": 20, "patch": 8, "image_size": (16, 24), "classes": 5}
    return randomise(keras_vit.build("vit-ti16", **options))


@pytest.fixture
def images(rng):
    return rng.normal(size=(2, 16, 24, 3)).astype("float32")


def matrix_by_hand(model, images, i):
    """Returns block i's attention matrix in NumPy, from what stands before it."""
    x = np.asarray(tap(model, f"block_{i - 1}")(images)[f"block_{i - 1}"], "float64")
    w = weights_of(model.get_layer(f"block_{i}"))
    x = layer_norm(x, w["norm1/gamma"], w["norm1/beta"])
    return attend(x, {key.removeprefix("attention/"): value for key, value in w.items()}, HEADS)[1]


def test_public_names_are_listed_in_order(model):
    blocks = [name for i in range(3) for name in (f"block_{i}", f"attention_{i}")]
    assert list_taps(model) == ["embed", *blocks, "norm", "head"]
    assert {"embed", "stage_0", "stage_3", "stage_2_block_1", "head"} <= set(list_taps(keras_vit.build("resnet-18")))


def test_attention_tap_is_the_matrix_of_its_block(model, images):
    got = tap(model, "attention_2")(images)["attention_2"]
    assert got.shape == (2, HEADS, 7, 7)
    np.testing.assert_allclose(got, matrix_by_hand(model, images, 2), rtol=1e-4, atol=1e-5)


def test_taps_of_a_reloaded_model_are_the_same(model, images, tmp_path):
    model.save(tmp_path / "model.keras")
    names = ["embed", "block_1", "attention_1", "norm", "head"]
    expected, got = (tap(each, names)(images) for each in (model, keras.models.load_model(tmp_path / "model.keras")))
    for name in names:
        np.testing.assert_allclose(got[name], expected[name], rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(got["head"], model(images), rtol=1e-5, atol=1e-6)


def test_tap_shares_the_weights_of_its_model(model, images):
    tapped = tap(model, "head")
    randomise(model, seed=3)
    np.testing.assert_allclose(tapped(images)["head"], model(images), rtol=1e-6)


def test_tap_of_a_bfloat16_model_predicts_in_batches(images):
    keras.config.set_dtype_policy("mixed_bfloat16")
    model = keras_vit.build("vit-ti16", depth=2, image_size=(16, 24), patch=8)
    got = tap(model, ["attention_0"]).predict(images, batch_size=1, verbose=0)["attention_0"]
    np.testing.assert_allclose(np.asarray(got, "float32").sum(-1), 1, atol=0.03)


def test_name_that_cannot_be_tapped_is_refused(model):
    with pytest.raises(ValueError, match=r"no tap 'attention_9' \(did you mean 'attention_\d'\?\); it has embed"):
        tap(model, ["block_1", "attention_9"])


def test_dino_map_is_the_class_row_of_the_last_block(model, images):
    row = matrix_by_hand(model, images, 2)[:, :, 0, 1:]
    expected = (row / row.sum(-1, keepdims=True)).reshape(2, HEADS, *GRID)
    np.testing.assert_allclose(analysis.attention(model, images, "dino"), expected, rtol=1e-4)


def test_rollout_multiplies_all_blocks(model, images):
    taps = tap(model, [f"attention_{i}" for i in range(3)])(images)
    rolled = np.broadcast_to(np.eye(7), (2, 7, 7))
    for i in range(3):
        mean = np.asarray(taps[f"attention_{i}"], "float64").mean(axis=1)
        rolled = np.einsum("bij,bjk->bik", 0.5 * mean + 0.5 * np.eye(7), rolled)
    row = rolled[:, 0, 1:]
    np.testing.assert_allclose(
        analysis.attention(model, images), (row / row.sum(1, keepdims=True)).reshape(2, *GRID), rtol=1e-4
    )


def test_each_image_of_a_batch_has_its_own_map(model, images):
    together = analysis.attention(model, images)
    alone = np.concatenate([analysis.attention(model, images[i : i + 1]) for i in range(2)])
    np.testing.assert_allclose(together, alone, rtol=1e-4)
    assert np.abs(together[0] - together[1]).max() > 1e-4


def test_model_without_attention_and_unknown_method_are_refused(model, images):
    with pytest.raises(ValueError, match="lenet-5 has no class token that attends"):
        analysis.attention(keras_vit.build("lenet-5"), images)
    with pytest.raises(ValueError, match="one of rollout, dino, not 'magic'"):
        analysis.attention(model, images, "magic")
