"""The head of a model says what it reads, wherever the model goes, and is a dense layer otherwise."""

import keras
import numpy as np
import pytest

from keras_vit import analysis, heads, layers
from keras_vit.heads import LinearHead, Reading, reading
from keras_vit.taps import tap
from keras_vit.testing import randomise, small


def images_for(model, count=2):
    return np.random.default_rng(5).normal(size=(count, *model.input.shape[1:])).astype("float32")


SAID = {
    "vit": Reading("token"),
    "deit": Reading("token"),
    "beit": Reading("mean"),
    "cait": Reading("token"),
    "swin": Reading("mean"),
    "resnet": Reading("mean"),
}


@pytest.mark.parametrize("family", SAID)
def test_what_a_head_reads_survives_saving_and_cloning(family, tmp_path):
    model = small(family)
    model.save(tmp_path / "model.keras")
    for each in (model, keras.models.load_model(tmp_path / "model.keras"), keras.models.clone_model(model)):
        assert reading(each) == SAID[family]
        assert [w.path for w in each.get_layer("head").weights] == ["head/kernel", "head/bias"]


def test_two_heads_read_a_token_each():
    model = small("deit", distillation="both")
    assert [model.get_layer(name).token for name in heads.HEADS] == [0, 1]


def test_backbone_of_registers_alone_reads_its_map():
    options = {"class_token": False, "pool": "mean", "registers": 2}
    assert reading(small("vit", classes=0)) == Reading("token")
    model = small("vit", classes=0, **options)
    assert reading(model) == Reading("mean")
    assert analysis.methods(model) == ["raw", "rollout"]  # a register is no class token
    matrix = np.asarray(tap(model, "attention_2")(images_for(model))["attention_2"])
    expected = matrix[:, :, 2:, 2:].mean(axis=2).reshape(2, 3, 4, 4)
    np.testing.assert_allclose(analysis.attention(model, images_for(model), "raw"), expected, rtol=1e-5)


def test_unknown_reading_is_refused():
    with pytest.raises(ValueError, match="reads is one of token, mean, not 'cls'"):
        LinearHead(3, reads="cls")


def squeeze_and_excite(x, name):
    """Returns the map `x` with its channels weighted by what their means say (Hu et al. 2018, arXiv 1709.01507)."""
    means = keras.layers.GlobalAveragePooling2D(keepdims=True, name=f"{name}_means")(x)
    gates = keras.layers.Dense(x.shape[-1], "sigmoid", name=f"{name}_gates")(means)
    return keras.layers.Multiply(name=name)([x, gates])


def rolled_out(model, images):
    """Returns rollout from the class token, written out."""
    rolled = np.eye(7)
    for matrix in tap(model, ["attention_0", "attention_1"])(images).values():
        rolled = (0.5 * np.asarray(matrix, "float64").mean(axis=1) + 0.5 * np.eye(7)) @ rolled
    row = rolled[:, 0, 1:]
    return (row / row.sum(-1, keepdims=True)).reshape(-1, 2, 3)


def test_maps_of_a_class_token_behind_squeeze_and_excitation_start_at_the_token():
    """A pooling inside the network isn't what the head reads."""
    images = keras.Input((16, 24, 3), name="images")
    cells = squeeze_and_excite(layers.PatchEmbed(12, 8, name="embed")(images), "squeeze")
    x = layers.ClassToken(name="class_token")(layers.ToTokens(name="tokens")(cells))
    for i in range(2):
        x = layers.TransformerBlock(3, 20, name=f"block_{i}")(x)
    features = {"map": layers.ToMap(prefix=1, name="map")(x, cells), "prefix": x[:, :1]}
    model = randomise(heads.classify(keras.Model(images, features, name="squeezing"), 5, pool="token"))
    pixels = images_for(model)
    np.testing.assert_allclose(analysis.attention(model, pixels, "rollout"), rolled_out(model, pixels), rtol=1e-5)
    chosen = analysis.attention(model, pixels, "gradcam", target=1)
    np.testing.assert_array_equal(chosen, analysis.attention(model, pixels, "gradcam", layer="block_0", target=1))


def test_map_of_a_network_of_squeeze_and_excitation_is_the_one_its_head_averages():
    images = x = keras.Input((16, 24, 3), name="images")
    for i, name in enumerate(("embed", "conv_1")):
        x = keras.layers.Conv2D(5 + 2 * i, 3, 2, "same", name=name)(x)
        x = squeeze_and_excite(x, f"stage_{i}")
    backbone = keras.Model(images, {"map": keras.layers.ReLU(name="last_relu")(x)}, name="squeezing")
    model = randomise(heads.classify(backbone, 5))
    pixels = images_for(model)
    got = analysis.attention(model, pixels, "gradcam", target=2)
    values = np.asarray(backbone(pixels)["map"], "float64")
    weights = np.asarray(model.get_layer("head").kernel, "float64")[:, 2] / 24  # of the mean of 4 x 6 cells
    np.testing.assert_allclose(got, np.maximum(values @ weights, 0), rtol=1e-4, atol=1e-7)


@pytest.fixture
def silent():
    model = small("vit")
    return randomise(keras.Model(model.input, keras.layers.Dense(5, name="head")(model.get_layer("norm").output[:, 0])))


def test_head_that_does_not_say_what_it_reads_is_not_guessed(silent):
    assert reading(silent) is None
    assert analysis.methods(silent) == ["dino", "gradcam", "occlusion"]
    for method in ("raw", "rollout", "gradient"):
        with pytest.raises(ValueError, match=r"no head says what it reads; end .*LinearHead\(classes, reads='token'\)"):
            analysis.attention(silent, images_for(silent), method)
    with pytest.raises(ValueError, match="no head says what it reads; .*; or give the layer"):
        analysis.attention(silent, images_for(silent), "gradcam")
    assert analysis.attention(silent, images_for(silent), "gradcam", layer="block_1", target=1).any()


def test_head_of_ones_own_that_says_it_has_every_map(silent):
    model = small("vit")
    tokens = model.get_layer("norm").output
    own = keras.Model(model.input, LinearHead(5, reads="token", name="head")(tokens[:, 0]))
    assert analysis.methods(own) == ["raw", "dino", "rollout", "gradient", "gradcam", "occlusion"]
    expected = analysis.attention(model, images_for(model), "rollout")
    np.testing.assert_allclose(analysis.attention(own, images_for(own), "rollout"), expected, rtol=1e-6)


@pytest.mark.filterwarnings("ignore:Layer .* does not have a `quantize` method")
def test_head_is_quantised_like_any_dense_layer(tmp_path):
    model = small("mlp")
    images = images_for(model)
    exact = np.asarray(model(images))
    model.quantize("int8")
    head = model.get_layer("head")
    assert head.quantization_mode == "int8" and "int8" in str(head.weights[0].dtype) + str(head.weights[1].dtype)
    near = np.asarray(model(images))
    assert np.abs(near - exact).max() < 0.1 * np.abs(exact).max()
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_allclose(loaded(images), near, rtol=1e-5, atol=1e-6)
    assert reading(loaded) == Reading("mean")


def test_head_takes_low_rank_matrices():
    model = small("vit")
    model.get_layer("head").enable_lora(2)
    assert {"lora_kernel_a", "lora_kernel_b"} <= {w.name for w in model.get_layer("head").trainable_weights}
    assert np.isfinite(model(images_for(model))).all()
