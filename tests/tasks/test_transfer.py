"""Frozen layers stay, low-rank matrices alone move, and merging them changes nothing."""

import keras
import numpy as np
import pytest

from keras_vit import bundle
from keras_vit.data import Preprocessing
from keras_vit.layers import MultiHeadAttention
from keras_vit.serving import export
from keras_vit.tasks.transfer import add_lora, freeze, merge_lora
from keras_vit.testing import small
from keras_vit.training.optim.optimizers import make_optimizer


def values(model):
    return {variable.path: variable.numpy() for variable in model.variables}


def train(model, steps=2):
    """Takes some steps, and returns the paths of the variables that they changed."""
    before = values(model)
    rng = np.random.default_rng(3)
    model.compile(
        keras.optimizers.SGD(0.5), keras.losses.SparseCategoricalCrossentropy(from_logits=True), run_eagerly=True
    )
    for _ in range(steps):
        images = rng.normal(size=(4, *model.input_shape[1:])).astype("float32")
        model.train_on_batch(images, rng.integers(0, model.output_shape[-1], 4))
    after = values(model)
    return {path for path, value in after.items() if not np.array_equal(value, before[path])}


def layers_of(paths):
    return {path.partition("/")[0] for path in paths}


def test_layers_before_the_named_one_stay_and_all_others_learn():
    model = small("vit")
    freeze(model, until="block_1")
    assert layers_of(train(model)) == {"block_1", "block_2", "norm", "head"}


def test_linear_probe_trains_the_head_alone_and_keeps_statistics():
    model = small("resnet")
    freeze(model, until="head")
    assert train(model) == {"head/kernel", "head/bias"}


def test_stages_freeze_with_what_leads_to_them():
    model = small("convnext")
    freeze(model, until="stage_2_block_0")
    frozen = {layer.name for layer in model.layers if layer.weights and not layer.trainable_weights}
    assert frozen == {
        "embed", "embed_norm", "stage_0_block_0", "stage_1_downsample_norm", "stage_1_downsample", "stage_1_block_0",
        "stage_1_block_1",
    }  # fmt: skip


def test_freezing_until_the_first_layer_freezes_nothing_and_an_unknown_one_is_refused():
    model = small("vit")
    count = len(model.trainable_variables)
    freeze(model, until="embed")
    assert len(model.trainable_variables) == count
    with pytest.raises(ValueError, match=r"no layer 'block_7' to freeze until; it has .*block_2"):
        freeze(model, until="block_7")


def test_layers_left_after_freezing_take_a_layer_wise_optimizer():
    model = small("vit")
    freeze(model, until="block_2")
    optimizer = make_optimizer("adamw", model, 0.1, layer_decay=0.5)
    by_path = dict(zip([v.path for v in model.trainable_variables], optimizer.scales, strict=True))
    assert by_path["block_2/mlp/fc1/kernel"] == 0.5 and by_path["head/kernel"] == 1.0


def images_of(model):
    return np.random.default_rng(5).normal(size=(3, *model.input_shape[1:])).astype("float32")


@pytest.mark.parametrize("family", ["vit", "beit", "cait"])
def test_lora_begins_as_the_model_and_trains_its_matrices_and_the_head_alone(family):
    model = small(family)
    expected = model(images_of(model)).numpy()
    attentions = sum(isinstance(layer, MultiHeadAttention) for layer in model._flatten_layers())
    add_lora(model, rank=2)
    np.testing.assert_allclose(model(images_of(model)), expected, atol=1e-6)
    changed = train(model)
    assert changed == {variable.path for variable in model.trainable_variables}
    kinds = [path.rpartition("/")[2] for path in changed if not path.startswith("head/")]
    assert sorted(kinds) == sorted(2 * attentions * ["lora_kernel_a", "lora_kernel_b"])


def test_adapted_kernel_is_the_kernel_plus_the_scaled_product():
    model = small("vit")
    add_lora(model, rank=2, alpha=6)
    dense = model.get_layer("block_1").attention.qkv
    train(model)
    a, b = dense.lora_kernel_a.numpy(), dense.lora_kernel_b.numpy()
    assert a.shape == (dense.kernel.shape[0], 2) and b.shape == (2, dense.kernel.shape[1]) and np.abs(b).max() > 0
    merged = merge_lora(model).get_layer("block_1").attention.qkv.kernel.numpy()
    np.testing.assert_allclose(merged, dense._kernel.numpy() + 6 / 2 * (a @ b), atol=1e-6)


@pytest.mark.parametrize(("family", "options"), [("vit", {"dropout": 0.1}), ("swin", {}), ("beit", {})])
def test_merged_model_computes_the_same_with_the_weights_of_a_plain_one(family, options):
    model, plain = small(family, **options), small(family, **options)
    add_lora(model, rank=3)
    train(model)
    merged = merge_lora(model)
    np.testing.assert_allclose(merged(images_of(model)), model(images_of(model)), atol=1e-5)
    assert [v.path for v in merged.weights] == [v.path for v in plain.weights]
    assert len(merged.trainable_variables) == len(plain.trainable_variables)


def test_saved_weights_of_an_adapted_model_fit_a_plain_one(tmp_path):
    model, plain = small("vit"), small("vit")
    add_lora(model, rank=3)
    train(model)
    model.save_weights(tmp_path / "model.weights.h5")
    plain.load_weights(tmp_path / "model.weights.h5")
    np.testing.assert_allclose(plain(images_of(model)), model(images_of(model)), atol=1e-5)


def test_merging_loses_nothing_to_a_mixed_precision():
    keras.mixed_precision.set_global_policy("mixed_bfloat16")
    model = small("vit")
    add_lora(model, rank=2)
    train(model)
    dense = model.get_layer("block_0").attention.out
    expected = dense._kernel.numpy() + dense.lora_kernel_a.numpy() @ dense.lora_kernel_b.numpy()
    merged = merge_lora(model).get_layer("block_0").attention.out
    assert merged.compute_dtype == "bfloat16"
    np.testing.assert_allclose(merged.kernel.numpy(), expected, atol=1e-6)


def test_merged_model_is_exported(tmp_path):
    import tensorflow as tf

    model = small("vit")
    bundle.update(model, preprocessing=Preprocessing((32, 32)))
    add_lora(model, rank=2)
    train(model)
    export(merge_lora(model), tmp_path / "1")
    serve = tf.saved_model.load(str(tmp_path / "1")).signatures["serving_default"]
    got = serve(images=tf.constant(images_of(model)))["logits"]
    np.testing.assert_allclose(got, model(images_of(model)), atol=1e-5)


def test_what_cannot_be_adapted_or_merged_is_refused():
    with pytest.raises(ValueError, match="has no attention to adapt"):
        add_lora(small("resnet"), rank=2)
    model = small("vit")
    with pytest.raises(ValueError, match="rank=0"):
        add_lora(model, rank=0)
    with pytest.raises(ValueError, match="no low-rank matrices to merge"):
        merge_lora(model)
    add_lora(model, rank=2)
    with pytest.raises(ValueError, match="has low-rank matrices already"):
        add_lora(model, rank=2)
