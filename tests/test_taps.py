"""Taps give what the layers compute, in every family, of models built, reloaded, refitted and in bfloat16."""

import collections

import keras
import numpy as np
import pytest
from kit.numpy_reference import attend, layer_norm, softmax, weights_of

import keras_vit
from keras_vit.taps import list_taps, tap
from keras_vit.testing import randomise, small

HEADS, GRID = 3, (2, 3)


@pytest.fixture
def model():
    options = {"width": 12, "depth": 3, "heads": HEADS, "mlp_dim": 20, "patch": 8, "image_size": (16, 24), "classes": 5}
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
    attention = ("norm1", "query", "key", "value", "attention", "attended", "branch1")
    parts = ("block", *attention, "residual", "norm2", "mlp", "branch2")
    blocks = [f"{part}_{i}" for i in range(3) for part in parts]
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


def matched(shape, promised):
    """Returns whether an actual shape keeps what a symbolic one promised."""
    return len(shape) == len(promised) and all(side in (None, got) for got, side in zip(shape, promised, strict=True))


@pytest.mark.parametrize("family", keras_vit.list_families())
def test_every_listed_tap_gives_what_it_promises(family):
    model = small(family)
    tapped = tap(model, list_taps(model))
    images = np.random.default_rng(5).normal(size=(2, *model.input.shape[1:])).astype("float32")
    found = {name: np.asarray(each) for name, each in tapped(images).items()}
    assert sorted(found) == sorted(list_taps(model))
    for name, each in found.items():
        assert matched(each.shape, tapped.output[name].shape) and len(each) == 2, (name, each.shape)
        assert np.isfinite(each).all() and each.std() > 0, name
        if "attention_" in name and family != "cait":
            np.testing.assert_allclose(each.sum(-1), 1, atol=1e-5)
    if "head" in found and family != "deit":
        np.testing.assert_allclose(found["head"], model(images), rtol=1e-5, atol=1e-6)
    if "head" not in found:
        np.testing.assert_allclose(found["norm"][:, :1], model(images)["prefix"][:, :1], rtol=1e-5, atol=1e-6)
    with pytest.raises(ValueError, match=f"{model.name} has no tap 'block_77'"):
        tap(model, "block_77")


EXPECTED = {  # batch 2; beit, vit 4 x 4 cells and a class token; heads of 8
    "vit": {
        "attention_1": (2, 3, 17, 17), "query_2": (2, 3, 17, 8), "value_0": (2, 3, 17, 8), "mlp_1": (2, 17, 40),
        "norm1_0": (2, 17, 24), "attended_2": (2, 17, 24), "residual_1": (2, 17, 24), "norm": (2, 17, 24),
    },
    "beit": {"attention_1": (2, 3, 17, 17), "key_0": (2, 3, 17, 8), "fc_norm": (2, 24)},
    "cait": {
        "attention_1": (2, 3, 16, 16), "class_attention_1": (2, 3, 1, 17), "class_query_0": (2, 3, 1, 8),
        "class_mlp_0": (2, 1, 40), "class_block_0": (2, 17, 24),
    },
    "dinov2": {"attention_2": (2, 3, 21, 21), "mlp_0": (2, 21, 40)},
    "swin": {  # maps of 7, 4 and 2 cells a side in windows of 3, 3 and 2
        "stage_0_attention_0": (2, 9, 2, 9, 9), "stage_1_attention_1": (2, 4, 4, 9, 9),
        "stage_2_attention_1": (2, 1, 8, 4, 4), "stage_0_query_1": (2, 9, 2, 9, 4), "stage_0_mlp_1": (2, 7, 7, 32),
        "stage_0_attended_1": (2, 7, 7, 8), "stage_1_merge": (2, 4, 4, 16),
    },
    "resnet": {"stage_1_block_1": (2, 4, 4, 24), "stage_1_conv2_0": (2, 4, 4, 6), "embed_norm": (2, 16, 16, 3)},
    "mixer": {"token_mlp_0": (2, 24, 14), "mlp_1": (2, 24, 40)},
    "convnext": {"stage_1_mlp_0": (2, 4, 4, 40), "stage_2_downsample_norm": (2, 4, 4, 10)},
}  # fmt: skip


@pytest.mark.parametrize("family", EXPECTED)
def test_taps_have_the_shapes_of_the_architecture(family):
    model = small(family)
    images = np.ones((2, *model.input.shape[1:]), "float32")
    got = tap(model, EXPECTED[family])(images)
    assert {name: tuple(each.shape) for name, each in got.items()} == EXPECTED[family]


@pytest.mark.parametrize("options", [{"position": "rotary"}, {"position": "mixed"}, {"trunk": ()}])
def test_parts_of_rotary_and_hybrid_blocks_add_up(options):
    model = small("vit", **({"patch": 2} if "trunk" in options else {}), **options)
    check_block(model, ["query_1", "key_1", "value_1", "attention_1", "attended_1", "block_1"], 1)


def test_parts_of_beit_with_its_bias_add_up():
    model = small("beit")
    bias = np.asarray(keras.Model(model.input, model.get_layer("bias_1").output)(np.zeros((1, 32, 32, 3))), "float64")
    check_block(model, ["query_1", "key_1", "value_1", "attention_1", "attended_1", "block_1"], 1, bias)


def check_block(model, names, i, bias=0.0):
    """Asserts that the taps of block i make one another by the formulas of attention."""
    images = np.random.default_rng(5).normal(size=(2, *model.input.shape[1:]))
    got = {name: np.asarray(each, "float64") for name, each in tap(model, names)(images).items()}
    q, k, v = (got[f"{part}_{i}"] for part in ("query", "key", "value"))
    matrix = softmax(q @ k.swapaxes(2, 3) / np.sqrt(q.shape[-1]) + bias)
    np.testing.assert_allclose(got[f"attention_{i}"], matrix, rtol=1e-3, atol=1e-5)
    w = weights_of(model.get_layer(f"block_{i}"))
    together = (matrix @ v).swapaxes(1, 2).reshape(2, -1, 24)
    expected = together @ w["attention/out/kernel"] + w["attention/out/bias"]
    np.testing.assert_allclose(got[f"attended_{i}"], expected, rtol=1e-3, atol=1e-4)


def test_mlp_and_residual_taps_make_the_block(model, images):
    got = tap(model, ["residual_1", "mlp_1", "block_1"])(images)
    w = weights_of(model.get_layer("block_1"))
    expected = got["residual_1"] + np.asarray(got["mlp_1"]) @ w["mlp/fc2/kernel"] + w["mlp/fc2/bias"]
    np.testing.assert_allclose(got["block_1"], expected, rtol=1e-4, atol=1e-5)


def test_new_head_keeps_the_taps_and_those_of_a_model_within_are_of_the_outer_one(model, images):
    features = model.get_layer("norm").output[:, 0]
    refitted = keras.Model(model.input, keras.layers.Dense(2, name="head")(features))
    names = ["attention_2", "mlp_1"]
    for name, each in tap(refitted, names)(images).items():
        np.testing.assert_allclose(each, tap(model, name)(images)[name], rtol=1e-5)
    nested = keras.Sequential([keras.Input((16, 24, 3)), refitted, keras.layers.Softmax()])
    for name, each in tap(nested, names)(images).items():
        np.testing.assert_allclose(each, tap(model, name)(images)[name], rtol=1e-5)
    assert list_taps(nested) == list_taps(refitted)


def test_taps_predict_over_a_pipeline(images):
    tf = pytest.importorskip("tensorflow")
    model = small("swin")
    pixels = np.random.default_rng(1).normal(size=(5, 28, 28, 3)).astype("float32")
    tapped = tap(model, ["stage_0_attention_1", "stage_1", "stage_0_key_0"])
    got = tapped.predict(tf.data.Dataset.from_tensor_slices(pixels).batch(2), verbose=0)
    for name, each in tapped(pixels).items():
        np.testing.assert_allclose(got[name], each, rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("family", ["vit", "swin", "cait", "beit"])
def test_taps_of_open_and_bfloat16_models(family):
    keras.config.set_dtype_policy("mixed_bfloat16")
    model = small(family, image_size=None)
    names = [name for name in list_taps(model) if "attention_" in name or "mlp_" in name]
    got = tap(model, names).predict(np.ones((3, 32, 48, 3), "float32"), batch_size=2, verbose=0)
    assert all(len(each) == 3 and np.isfinite(np.asarray(each, "float32")).all() for each in got.values())


COSTLY = {
    "MatMul",
    "BatchMatMulV2",
    "Conv2D",
    "DepthwiseConv2dNative",
    "Einsum",
    "Softmax",
    "Rsqrt",
    "FusedBatchNormV3",
}


def costly_operations(model):
    """Returns how many products, convolutions and normalisations of each kind TensorFlow's graph of `model` has."""
    tf = pytest.importorskip("tensorflow")
    traced = tf.function(model).get_concrete_function(tf.TensorSpec((1, *model.input.shape[1:])), training=False)
    graph = traced.graph.as_graph_def()
    every = [*graph.node, *(node for function in graph.library.function for node in function.node_def)]
    return collections.Counter(node.op for node in every if node.op in COSTLY)


@pytest.mark.parametrize("family", keras_vit.list_families())
def test_tapped_model_computes_each_block_once(family):
    model = small(family)
    alone = costly_operations(model)
    assert alone["MatMul"] + alone["BatchMatMulV2"] + alone["Conv2D"] > 1
    assert costly_operations(tap(model, list_taps(model))) == alone


@pytest.mark.parametrize("family", ["vit", "swin", "resnet"])
def test_taps_of_a_tapped_model_in_training_are_those_of_its_training(family):
    """A tap doesn't silently switch batch normalisation or dropout to inference."""
    model = small(family, **({} if family == "resnet" else {"dropout": 0.5}))
    images = np.random.default_rng(1).normal(size=(3, *model.input.shape[1:])).astype("float32")
    name = next(name for name in list_taps(model) if "block_1" in name)
    tapped = tap(model, [name, *(each for each in list_taps(model) if "norm1_" in each)])
    got = [np.asarray(tapped(images, training=training)[name]) for training in (False, True)]
    assert np.abs(got[0] - got[1]).max() > 1e-3


def test_saved_tapped_model_gives_the_same(images, tmp_path):
    model = small("swin")
    tapped = tap(model, ["stage_0_attention_1", "stage_1_mlp_0", "head"])
    tapped.save(tmp_path / "taps.keras")
    pixels = np.random.default_rng(1).normal(size=(2, 28, 28, 3)).astype("float32")
    loaded = keras.models.load_model(tmp_path / "taps.keras")(pixels)
    for name, expected in tapped(pixels).items():
        np.testing.assert_allclose(loaded[name], expected, rtol=1e-5, atol=1e-6)


def test_what_is_within_the_block_of_a_tapped_model_is_refused(model):
    tapped = tap(model, ["attention_1", "head"])
    assert list_taps(tapped)[-1] == "head"
    with pytest.raises(ValueError, match="vit-ti16-taps has no tap 'block_1'"):
        tap(tapped, "block_1")


def test_no_name_is_refused(model):
    with pytest.raises(ValueError, match=r"no name to tap .* attention_0 to attention_2"):
        tap(model, [])
