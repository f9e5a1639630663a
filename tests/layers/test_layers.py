"""Each layer computes the formula of its paper, alone, for shapes that are distinct primes."""

import keras
import numpy as np
import pytest
from kit.layers import close, ready
from kit.numpy_reference import attend, gelu, layer_norm, silu, weights_of

from keras_vit import layers
from keras_vit.layers.attention import rotate
from keras_vit.testing import randomise

B, N, D, HEADS, HEAD_WIDTH, HIDDEN = 2, 7, 15, 3, 5, 11


def test_patch_embed_is_a_linear_map_of_each_patch(rng):
    layer = ready(layers.PatchEmbed(D, (3, 5)), (B, 6, 15, 2))
    images = rng.normal(size=(B, 6, 15, 2))
    w = weights_of(layer)
    patches = images.reshape(B, 2, 3, 3, 5, 2).transpose(0, 1, 3, 2, 4, 5).reshape(B, 2, 3, 30)
    close(layer(images), patches @ w["kernel"].reshape(30, D) + w["bias"])


def test_class_token_stands_before_the_patches_with_its_position(rng):
    layer = ready(layers.ClassToken(2, position=True), (B, N, D))
    tokens, w = rng.normal(size=(B, N, D)), weights_of(layer)
    prefix = np.broadcast_to(w["token"] + w["position"], (B, 2, D))
    close(layer(tokens), np.concatenate([prefix, tokens], 1))


def test_class_token_without_position_has_one_weight():
    assert [w.shape for w in ready(layers.ClassToken(3), (B, N, D)).weights] == [(3, D)]


def test_map_to_tokens_and_back_keeps_every_cell_in_place(rng):
    cells = rng.normal(size=(B, 3, 5, D)).astype("float32")
    tokens = layers.ToTokens()(cells)
    assert tuple(tokens.shape) == (B, 15, D)
    close(tokens[:, 1 * 5 + 2], cells[:, 1, 2])
    prefixed = layers.ClassToken(2)(tokens)
    close(layers.ToMap(prefix=2)(prefixed, cells), cells)


@pytest.mark.parametrize("qkv_bias", [True, False, "qv"])
@pytest.mark.parametrize("head_width", [None, 2])
def test_attention_is_what_the_paper_says(rng, qkv_bias, head_width):
    layer = ready(layers.MultiHeadAttention(HEADS, head_width, qkv_bias, out_bias=bool(qkv_bias)), (B, N, D))
    x = rng.normal(size=(B, N, D))
    expected, scores = attend(x, weights_of(layer), HEADS)
    close(layer(x), expected)
    got = layer(x, intermediates=["attention"])
    close(got["out"], expected)
    close(got["attention"], scores)


def test_attention_without_key_bias_has_no_weight_for_it():
    paths = [w.path.split("/", 1)[1] for w in ready(layers.MultiHeadAttention(3, qkv_bias="qv"), (B, N, D)).weights]
    assert sorted(paths) == ["bias_q", "bias_v", "out/bias", "out/kernel", "qkv/kernel"]


@pytest.mark.parametrize("shape", [(HEADS, N, N), (B, HEADS, N, N)])
def test_relative_bias_is_added_to_the_logits(rng, shape):
    layer = ready(layers.MultiHeadAttention(HEADS), (B, N, D))
    x, bias = rng.normal(size=(B, N, D)), rng.normal(size=shape)
    close(layer(x, bias=bias.astype("float32")), attend(x, weights_of(layer), HEADS, bias=bias)[0])


def test_queries_and_keys_are_normalised_by_head(rng):
    layer = ready(layers.MultiHeadAttention(HEADS, qk_norm=True), (B, N, D))
    x, w = rng.normal(size=(B, N, D)), weights_of(layer)

    def norm(which):
        return lambda q: layer_norm(q, w[f"norm_{which}/gamma"], w[f"norm_{which}/beta"])

    close(layer(x), attend(x, w, HEADS, q_norm=norm("q"), k_norm=norm("k"))[0])


def test_rotary_positions_turn_pairs_of_numbers_by_their_angle(rng):
    layer = ready(layers.MultiHeadAttention(3, head_width=4), (B, N, D))
    x, angle = rng.normal(size=(B, N, D)), rng.normal(size=(N, 2))

    def turn(q):
        z = (q[..., 0::2] + 1j * q[..., 1::2]) * np.exp(1j * angle)
        return np.stack([z.real, z.imag], -1).reshape(q.shape)

    twice = np.repeat(angle, 2, axis=1).astype("float32")
    close(rotate(keras.ops.convert_to_tensor(np.ones((1, 1, N, 4), "float32")), np.sin(twice), np.cos(twice))[0, 0],
          turn(np.ones((N, 4))))  # fmt: skip
    close(layer(x, rotary=(np.sin(twice), np.cos(twice))), attend(x, weights_of(layer), 3, turn=turn)[0])


def test_attention_dropout_acts_in_training_only(rng):
    layer = ready(layers.MultiHeadAttention(HEADS, dropout=0.5), (B, N, D))
    x = rng.normal(size=(B, N, D)).astype("float32")
    expected, scores = attend(x, weights_of(layer), HEADS)
    close(layer(x, training=False), expected)
    trained = layer(x, training=True, intermediates=["attention"])
    close(trained["attention"], scores)
    assert np.abs(np.asarray(trained["out"]) - expected).max() > 1e-3


def test_width_that_the_heads_cannot_share_is_refused():
    with pytest.raises(ValueError, match="width of 15 can't be shared among 4 heads"):
        layers.MultiHeadAttention(4).build((B, N, D))


@pytest.mark.parametrize("bias", [True, False])
def test_mlp_is_two_layers_around_the_exact_gelu(rng, bias):
    layer = ready(layers.Mlp(HIDDEN, use_bias=bias), (B, N, D))
    x, w = rng.normal(size=(B, N, D)), weights_of(layer)
    hidden = gelu(x @ w["fc1/kernel"] + w.get("fc1/bias", 0))
    close(layer(x), hidden @ w["fc2/kernel"] + w.get("fc2/bias", 0))


def test_swiglu_gates_one_half_by_the_other(rng):
    layer = ready(layers.Mlp(HIDDEN, activation="swiglu"), (B, N, D))
    x, w = rng.normal(size=(B, N, D)), weights_of(layer)
    both = x @ w["fc1/kernel"] + w["fc1/bias"]
    close(layer(x), (silu(both[..., :HIDDEN]) * both[..., HIDDEN:]) @ w["fc2/kernel"] + w["fc2/bias"])


def test_layer_scale_multiplies_each_channel(rng):
    layer = layers.LayerScale(0.25)
    x = rng.normal(size=(B, N, D)).astype("float32")
    close(layer(x), x * 0.25)
    close(randomise(layer)(x), x * weights_of(layer)["gamma"])


@pytest.mark.parametrize("shape", [(997, 3, 5), (997, 3, 2, 5)])
def test_drop_path_drops_whole_samples_and_scales_the_rest(shape):
    layer, x = layers.DropPath(0.3, seed=1), np.ones(shape, "float32")
    dropped = np.asarray(layer(x, training=True)).reshape(shape[0], -1)
    assert (dropped == dropped[:, :1]).all()
    np.testing.assert_allclose(np.unique(dropped), [0, 1 / 0.7], rtol=1e-6)
    assert abs((dropped[:, 0] == 0).mean() - 0.3) < 0.05
    close(layer(x, training=False), x)


def test_drop_path_refuses_to_drop_all():
    with pytest.raises(ValueError, match="below 1, not 1"):
        layers.DropPath(1)


@pytest.mark.parametrize("layer_scale", [None, 0.5])
def test_block_is_equations_2_and_3_of_the_vit_paper(rng, layer_scale):
    layer = ready(layers.TransformerBlock(HEADS, HIDDEN, layer_scale=layer_scale), (B, N, D))
    x, w = rng.normal(size=(B, N, D)), weights_of(layer)
    inner = {path.removeprefix("attention/"): value for path, value in w.items()}
    attended, scores = attend(layer_norm(x, w["norm1/gamma"], w["norm1/beta"]), inner, HEADS)
    y = x + attended * w.get("scale1/gamma", 1)
    hidden = gelu(layer_norm(y, w["norm2/gamma"], w["norm2/beta"]) @ w["mlp/fc1/kernel"] + w["mlp/fc1/bias"])
    expected = y + (hidden @ w["mlp/fc2/kernel"] + w["mlp/fc2/bias"]) * w.get("scale2/gamma", 1)
    close(layer(x), expected)
    got = layer(x, intermediates=["attention", "residual", "mlp"])
    for name, each in {"out": expected, "attention": scores, "residual": y, "mlp": hidden}.items():
        close(got[name], each)


def test_unknown_intermediate_is_refused():
    layer = ready(layers.TransformerBlock(HEADS, HIDDEN, name="block"), (B, N, D))
    with pytest.raises(ValueError, match="block has no intermediate 'scores'; it has norm1, query, .*, branch2"):
        layer(np.zeros((B, N, D)), intermediates=["scores"])


def test_intermediates_of_symbols_have_the_shapes_of_those_of_numbers():
    layer = layers.TransformerBlock(HEADS, HIDDEN)
    symbols = layer(keras.Input((N, D), batch_size=B), intermediates=layer.intermediates)
    tensors = layer(np.zeros((B, N, D)), intermediates=layer.intermediates)
    assert {name: each.shape for name, each in symbols.items()} == {k: tuple(v.shape) for k, v in tensors.items()}


def test_block_of_a_file_of_before_1_0_is_understood():
    config = layers.TransformerBlock(HEADS, HIDDEN).get_config()
    config["hidden"] = config.pop("mlp_dim")
    assert layers.TransformerBlock.from_config(config).mlp.mlp_dim == HIDDEN
    config = layers.MixerBlock(5, HIDDEN).get_config()
    config |= {"hidden": config.pop("mlp_dim"), "token_hidden": config.pop("token_mlp_dim")}
    block = layers.MixerBlock.from_config(config)
    assert block.mlp.mlp_dim == HIDDEN and block.token_mlp_dim == 5


def test_block_drops_paths_in_training_only(rng):
    layer = ready(layers.TransformerBlock(HEADS, HIDDEN, drop_path=0.9), (B, N, D))
    x = rng.normal(size=(31, N, D)).astype("float32")
    still = (np.asarray(layer(x, training=True)) == x).all(axis=(1, 2))
    assert 0.5 < still.mean() < 1  # 0.81 of the samples skip both branches
    assert not (np.asarray(layer(x, training=False)) == x).all(axis=(1, 2)).any()


TOKENS, MAP = (N, D), (6, 10, D)
ALONE = [
    (layers.PatchEmbed(5, (2, 5)), MAP),
    (layers.ClassToken(2, position=True), TOKENS),
    (layers.ToTokens(), MAP),
    (layers.PositionEmbedding((3, 5)), MAP),
    (layers.PositionEmbedding((3, 5), kind="sincos"), (6, 10, 16)),
    (layers.MultiHeadAttention(3, 2, "qv", out_bias=False, qk_norm=True, dropout=0.1), TOKENS),
    (layers.Mlp(HIDDEN, activation="swiglu", dropout=0.1), TOKENS),
    (layers.LayerScale(0.5), TOKENS),
    (layers.DropPath(0.5), TOKENS),
    (layers.TransformerBlock(3, HIDDEN, layer_scale=0.1, drop_path=0.1, dropout=0.1, attention_dropout=0.1), TOKENS),
]


@pytest.mark.parametrize(("layer", "shape"), ALONE, ids=lambda each: type(each).__name__)
def test_saved_layer_computes_the_same_and_saves_again(rng, tmp_path, layer, shape):
    inputs = keras.Input(shape)
    model = randomise(keras.Model(inputs, layer(inputs)))
    x = rng.normal(size=(B, *shape)).astype("float32")
    expected = np.asarray(model(x))
    for i in range(2):
        model.save(tmp_path / f"{i}.keras")
        model = keras.models.load_model(tmp_path / f"{i}.keras")
        close(model(x), expected)


def test_saved_map_layer_takes_both_inputs_again(rng, tmp_path):
    tokens, cells = keras.Input((15 + 2, D)), keras.Input((3, 5, 1))
    model = keras.Model([tokens, cells], layers.ToMap(prefix=2)(tokens, cells))
    inputs = [rng.normal(size=(B, 17, D)).astype("float32"), np.zeros((B, 3, 5, 1), "float32")]
    model.save(tmp_path / "map.keras")
    close(keras.models.load_model(tmp_path / "map.keras")(inputs), inputs[0][:, 2:].reshape(B, 3, 5, D))


@pytest.mark.parametrize(
    ("size", "patch", "says"),
    [
        (100, 16, "100 is no multiple of 16: 96 or 112 would be"),
        ((8, 32), 16, "is too small: its sides must be 16 or more"),
        ("large", 16, "a positive int or a pair"),
        ((32, 32, 3), 16, "a positive int or a pair"),
        (0, 16, "a positive int or a pair"),
    ],
)
def test_image_size_that_cannot_be_is_refused(size, patch, says):
    with pytest.raises(ValueError, match=says):
        layers.image_input(size, 3, multiple=patch)


def test_channels_that_cannot_be_are_refused():
    with pytest.raises(ValueError, match="channels is a positive int, not 0"):
        layers.image_input(32, 0)
