"""Skip ratios are lengths of what the blocks add up, in every family that adds."""

import keras
import numpy as np
import pytest

import keras_vit
from keras_vit.analysis import skip_ratio
from keras_vit.keras_internals import call_node
from keras_vit.layers import Tappable
from keras_vit.taps import tap
from keras_vit.testing import small


def images_for(model, count=3):
    return np.random.default_rng(7).normal(size=(count, *model.input.shape[1:])).astype("float32")


def values(model, images, *tensors):
    return [np.asarray(each, "float64") for each in keras.Model(model.input, list(tensors))(images, training=False)]


def length(x):
    return np.sqrt((x**2).sum(-1))


def test_ratio_of_a_vit_is_that_of_its_sums():
    model = small("deit")  # a distillation token too
    images = images_for(model)
    got = skip_ratio(model, images, batch=2)
    taps = {k: np.asarray(v, "float64") for k, v in tap(model, ["block_1", "residual_2", "block_2"])(images).items()}
    skips = {"attention": taps["block_1"], "mlp": taps["residual_2"]}
    sums = {"attention": taps["residual_2"], "mlp": taps["block_2"]}
    assert list(got) == ["block_0", "block_1", "block_2"] and list(got["block_2"]) == ["attention", "mlp"]
    for branch, found in got["block_2"].items():
        expected = (length(skips[branch]) / length(sums[branch] - skips[branch])).mean(axis=0)
        np.testing.assert_allclose(found.prefix, expected[:2], rtol=1e-4)
        np.testing.assert_allclose(found.cells, expected[2:].reshape(4, 4), rtol=1e-4)


def test_branch_is_measured_after_its_layer_scale_however_small():
    model = small("deit3")
    block = model.get_layer("block_1")
    block.scale1.gamma.assign(np.full(24, 1e-9))  # of which the sum keeps no digit
    images = images_for(model)
    got = tap(model, ["block_0", "attended_1"])(images)
    skip, attended = (np.asarray(got[name], "float64") for name in ("block_0", "attended_1"))
    expected = (length(skip) / length(1e-9 * attended)).mean(axis=0)
    np.testing.assert_allclose(skip_ratio(model, images)["block_1"]["attention"].prefix, expected[:1], rtol=1e-4)


ADDING = ["beit", "cait", "convmixer", "convnext", "deit3", "dinov2", "mixer", "resmlp", "resnet", "resnetv2", "swin"]


@pytest.mark.parametrize("family", ADDING)
def test_what_skips_and_what_is_added_make_the_block(family):
    model = small(family)
    images = images_for(model, 2)
    blocks = [layer for layer in model.layers if isinstance(layer, Tappable) and layer.branches]
    got = skip_ratio(model, images)
    assert list(got) == [block.name for block in blocks]
    for block in blocks:
        called = call_node(model, block)
        given, out = values(model, images, called.arguments.args[0], called.outputs[0])
        names = [block.name.replace("block_", f"{part}_") for pair in block.branches.values() for part in pair if part]
        sums = {"attention": "residual", "tokens": "residual", "mlp": None, "convolution": None}
        taps = tap(model, list({*names, *([] if "mlp" not in block.branches else [after(block, "residual")])}))(images)
        for branch, (skip, added) in block.branches.items():
            added = np.asarray(taps[after(block, added)], "float64")
            skip = given[:, : added.shape[1]] if skip is None else np.asarray(taps[after(block, skip)], "float64")
            total = out[:, : added.shape[1]] if sums[branch] is None else np.asarray(taps[after(block, sums[branch])])
            if family == "resnet":
                np.testing.assert_allclose(np.maximum(skip + added, 0), total, rtol=1e-3, atol=1e-4)
            elif family == "convmixer":
                name = after(block, "residual")
                np.testing.assert_allclose(skip + added, tap(model, name)(images)[name], rtol=1e-3, atol=1e-4)
            else:
                np.testing.assert_allclose(skip + added, total, rtol=1e-3, atol=1e-4)
            with np.errstate(divide="ignore"):  # where a ReLU has left nothing of the branch
                expected = (length(skip) / length(added)).mean(axis=0)
            found = got[block.name][branch]
            measured = np.concatenate([found.prefix, found.cells[~np.isnan(found.cells)].ravel()])
            np.testing.assert_allclose(measured, expected.ravel(), rtol=1e-3)


def after(block, part):
    return block.name.replace("block_", f"{part}_")


def test_class_attention_changes_the_class_token_alone():
    model = small("cait")
    found = skip_ratio(model, images_for(model))["class_block_1"]["mlp"]
    assert found.prefix.shape == (1,) and np.isnan(found.cells).all() and found.cells.shape == (4, 4)


def test_models_that_skip_nothing_are_refused():
    for family in ("lenet", "mlp"):
        model = small(family)
        with pytest.raises(ValueError, match=f"{model.name} has no skip connections; take a model of residual blocks"):
            skip_ratio(model, images_for(model))
    assert {*ADDING, "vit", "deit", "lenet", "mlp"} >= set(keras_vit.list_families())
