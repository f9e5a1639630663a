"""Localisation is the CKA of tokens with patches of the image, and finds where a token came from."""

import keras
import numpy as np
import pytest
from kit.numpy_reference import cka_by_hand, linear

from keras_vit import layers
from keras_vit.analysis import localisation
from keras_vit.taps import tap
from keras_vit.testing import small


def test_tokens_are_compared_with_patches_as_the_formula_says(rng):
    model = small("deit", image_size=(16, 24))  # 2 x 3 cells behind two tokens
    images = rng.normal(size=(14, 16, 24, 3)).astype("float32")
    got = localisation(model, images, "residual_1", batch=6)
    batches = []
    for i in (0, 6):  # the last two are left out
        given = images[i : i + 6]
        tokens = np.asarray(tap(model, "residual_1")(given)["residual_1"])
        patches = [given[:, 8 * y : 8 * y + 8, 8 * x : 8 * x + 8] for y in range(2) for x in range(3)]
        batches.append((list(tokens.swapaxes(0, 1)), patches))
    expected = cka_by_hand(*zip(*batches, strict=True), linear)
    assert got.prefix.shape == (2, 2, 3) and got.cells.shape == (2, 3, 2, 3) and got.patch == (8, 8)
    np.testing.assert_allclose(got.prefix.reshape(2, 6), expected[:2], atol=1e-6)
    np.testing.assert_allclose(got.cells.reshape(6, 6), expected[2:], atol=1e-6)


def test_a_cell_that_is_its_patch_turned_is_found_where_it_came_from(rng):
    pixels = keras.Input((12, 20, 1))
    model = keras.Model(pixels, layers.PatchEmbed(16, 4, name="embed")(pixels), name="turned")
    turn = np.linalg.qr(rng.normal(size=(16, 16)))[0]
    model.get_layer("embed").set_weights([turn.reshape(4, 4, 1, 16), np.ones(16)])
    got = localisation(model, rng.normal(size=(160, 12, 20, 1)), batch=40).cells.reshape(15, 15)
    np.testing.assert_allclose(np.diag(got), 1, atol=1e-5)
    assert np.abs(got - np.eye(15) * got).max() < 0.15


def test_patches_may_be_of_another_size_and_the_layer_the_last_block(rng):
    model = small("resnet", image_size=64)
    images = rng.normal(size=(8, 64, 64, 3)).astype("float32")
    got = localisation(model, images, patch=(16, 20))
    assert got.layer == "stage_3_block_0" and got.cells.shape == (2, 2, 4, 3) and got.prefix.shape == (0, 4, 3)
    assert localisation(model, images, "stage_1").patch == (8, 8)


def test_patches_that_are_alike_in_all_images_have_no_similarity(rng):
    images = rng.normal(size=(8, 32, 32, 3)).astype("float32")
    images[:, :8] = 0.3
    got = localisation(small("vit"), images)
    assert np.isnan(got.cells[:, :, 0]).all() and np.isfinite(got.cells[:, :, 1:]).all()


def test_what_has_one_place_or_too_few_images_is_refused(rng):
    images = rng.normal(size=(8, 32, 32, 3)).astype("float32")
    with pytest.raises(ValueError, match="'stage_3_block_0' of resnet-18 has one cell.*take an earlier layer"):
        localisation(small("resnet"), images)
    with pytest.raises(ValueError, match="minibatches of 4 images or more, not 3"):
        localisation(small("vit"), images[:3])
    with pytest.raises(ValueError, match=r"at most that of the images \(32, 32\), not \(33, 33\)"):
        localisation(small("vit"), images, patch=33)
    with pytest.raises(ValueError, match="'attention_0' of vit-ti16 gives .* no cells of a map"):
        localisation(small("vit"), images, "attention_0")
