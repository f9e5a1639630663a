"""Layer-wise learning rates against AdamW written out, and under every way of training."""

import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest

import keras_vit
from keras_vit.testing import small
from keras_vit.training.optim.layer_decay import depths, rate_scales
from keras_vit.training.optim.optimizers import make_optimizer
from keras_vit.training.optim.parameter_groups import GroupedAdamW


def test_depths_of_a_vit_count_its_blocks_between_pixels_and_head():
    found = depths(small("vit"))
    assert found == {
        "embed": 0, "position": 0, "class_token": 0, "block_0": 1, "block_1": 2, "block_2": 3, "norm": 4, "head": 4
    }  # fmt: skip


def test_depths_of_stages_count_through_and_what_leads_to_a_stage_goes_with_its_first_block():
    found = depths(small("convnext"))
    assert found["embed"] == found["embed_norm"] == 0
    blocks = [("stage_0_block_0", 1), ("stage_1_block_0", 2), ("stage_1_block_1", 3), ("stage_2_block_0", 4)]
    assert all(found[name] == depth for name, depth in blocks)
    assert found["stage_1_downsample"] == found["stage_1_downsample_norm"] == 2
    assert found["stage_3_downsample"] == found["stage_3_block_0"] == 5
    assert found["fc_norm"] == found["head"] == 6


def test_ten_blocks_follow_nine():
    model = keras_vit.build("vit-ti16", width=8, heads=2, mlp_dim=8, depth=12, image_size=16, patch=8, classes=2)
    assert [depths(model)[f"block_{i}"] for i in range(12)] == list(range(1, 13))


def test_relative_positions_go_with_their_block_and_class_blocks_come_last():
    assert depths(small("beit"))["bias_1"] == depths(small("beit"))["block_1"] == 2
    cait = depths(small("cait"))
    assert [cait[f"class_block_{i}"] for i in range(2)] == [3, 4] and cait["class_token"] == 0


@pytest.mark.parametrize("name", sorted(set(keras_vit.list_families()) - {"lenet"}))
def test_every_deep_family_has_a_depth_for_every_weight(name):
    model = small(name)
    scales = rate_scales(model, 0.5)
    assert set(scales) == {variable.path for variable in model.trainable_variables}
    assert scales["head/kernel"] == 1 and min(scales.values()) < 1


def test_layer_without_a_depth_is_named():
    with pytest.raises(ValueError, match="the depth of layer 'stage_2' of .* isn't known"):
        rate_scales(small("lenet"), 0.5)
    assert set(rate_scales(small("lenet"), 1).values()) == {1.0}


@pytest.mark.parametrize("decay", [0, -0.5, 1.1])
def test_senseless_decay_is_refused(decay):
    with pytest.raises(ValueError, match="above 0 and at most 1"):
        rate_scales(small("vit"), decay)


class Reference:
    """AdamW in NumPy with a learning rate and a decay for each weight."""

    def __init__(self, weights, rates, decays):
        self.weights, self.rates, self.decays = [w.astype("float64") for w in weights], rates, decays
        self.first = [np.zeros_like(w) for w in self.weights]
        self.second = [np.zeros_like(w) for w in self.weights]
        self.steps = 0

    def step(self, gradients, schedule=1.0):
        self.steps += 1
        for i, gradient in enumerate(gradients):
            rate = self.rates[i] * schedule
            self.first[i] = 0.9 * self.first[i] + 0.1 * gradient
            self.second[i] = 0.999 * self.second[i] + 0.001 * gradient**2
            first = self.first[i] / (1 - 0.9**self.steps)
            second = self.second[i] / (1 - 0.999**self.steps)
            self.weights[i] = self.weights[i] * (1 - rate * self.decays[i]) - rate * first / (np.sqrt(second) + 1e-7)


EXPECTED_SCALE = {"embed": 0.5**3, "block_0": 0.5**2, "block_1": 0.5, "head": 1.0}


def mlp(seed=3):
    """A small model of layers that tell their depth, none of its weights at 0."""
    model = keras.Sequential(
        [keras.Input((5,))] + [keras.layers.Dense(3, "tanh", name=name) for name in EXPECTED_SCALE]
    )
    rng = np.random.default_rng(seed)
    model.set_weights([rng.normal(size=w.shape) for w in model.weights])
    return model


def reference_of(model, rate, weight_decay):
    paths = [w.path.split("/")[-2:] for w in model.trainable_variables]
    rates = [rate * EXPECTED_SCALE[layer] for layer, _ in paths]
    return Reference(model.get_weights(), rates, [weight_decay * (kind == "kernel") for _, kind in paths])


def assert_equal_weights(model, expected, rtol=2e-5):
    for ours, theirs in zip(model.get_weights(), expected, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=rtol, atol=2e-6)


def gradients_of(model, rng, steps=4):
    return [[rng.normal(size=w.shape).astype("float32") for w in model.weights] for _ in range(steps)]


@pytest.mark.parametrize("wrapped", [False, True], ids=["plain", "loss-scaled"])
def test_steps_are_adamw_with_a_rate_and_a_decay_of_each_layers_own(rng, wrapped):
    model = mlp()
    reference = reference_of(model, 0.1, 0.3)
    schedule = keras.optimizers.schedules.PolynomialDecay(0.1, 5, end_learning_rate=0.0)
    optimizer = make_optimizer("adamw", model, schedule, weight_decay=0.3, layer_decay=0.5)
    scale = 1.0
    if wrapped:  # as Keras does under mixed_float16
        optimizer, scale = keras.optimizers.LossScaleOptimizer(optimizer, initial_scale=8.0), 8.0
    for i, gradients in enumerate(gradients_of(model, rng)):
        optimizer.apply([keras.ops.convert_to_tensor(g * scale) for g in gradients], model.trainable_variables)
        reference.step(gradients, 1 - i / 5)
    assert_equal_weights(model, reference.weights)


def test_frozen_layers_keep_their_weights_and_the_others_their_rates(rng):
    model = mlp()
    model.get_layer("block_0").trainable = False
    before = model.get_layer("block_0").get_weights()
    reference = reference_of(model, 0.1, 0.3)
    reference.weights = [w.numpy().astype("float64") for w in model.trainable_variables]
    optimizer = make_optimizer("adamw", model, 0.1, weight_decay=0.3, layer_decay=0.5)
    for _ in range(3):
        gradients = [rng.normal(size=w.shape).astype("float32") for w in model.trainable_variables]
        optimizer.apply([keras.ops.convert_to_tensor(g) for g in gradients])
        reference.step(gradients)
    np.testing.assert_array_equal(model.get_layer("block_0").get_weights()[0], before[0])
    for ours, theirs in zip(model.trainable_variables, reference.weights, strict=True):
        np.testing.assert_allclose(ours.numpy(), theirs, rtol=2e-5, atol=2e-6)


def by_depth(model):
    return make_optimizer("adamw", model, 0.05, weight_decay=0.3, layer_decay=0.5)


def by_norm(model):
    return make_optimizer("lamb", model, 0.05, weight_decay=0.3)


def fit(model, steps=3, optimizer=by_depth):
    rng = np.random.default_rng(5)
    model.compile(optimizer(model), "mse", jit_compile=False)
    model.fit(rng.normal(size=(8 * steps, 5)), rng.normal(size=(8 * steps, 3)), 8, verbose=0, shuffle=False)
    return model


TWO_DEVICES = """
import sys
import numpy as np, tensorflow as tf
cpu = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
sys.path.insert(0, sys.argv[1])
from test_layer_decay import by_depth, by_norm, fit, mlp
with tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"]).scope():
    models = [fit(mlp(), optimizer=each) for each in (by_depth, by_norm)]
weights = [weight for model in models for weight in model.weights]
for weight in weights:
    assert len(weight.value.values) == 2
    np.testing.assert_array_equal(*weight.value.values)
np.savez(sys.argv[2], *(weight.numpy() for weight in weights))
"""


@pytest.mark.slow
def test_two_replicas_take_the_same_steps_as_one(tmp_path):
    found = tmp_path / "two.npz"
    command = [sys.executable, "-c", TWO_DEVICES, str(Path(__file__).parent), str(found)]
    subprocess.run(command, check=True, capture_output=True, text=True)
    with np.load(found) as two:
        found = list(two.values())
    # the replicas' gradients are summed in another order than one device sums them, hence 2e-5
    assert_equal_weights(fit(mlp()), found[:8])
    assert_equal_weights(fit(mlp(), optimizer=by_norm), found[8:])


def test_mixed_precision_keeps_exact_weights_and_steps_of_full_precision(rng):
    keras.mixed_precision.set_global_policy("mixed_bfloat16")
    model = mlp()
    reference = reference_of(model, 0.1, 0.3)
    optimizer = make_optimizer("adamw", model, 0.1, weight_decay=0.3, layer_decay=0.5)
    for gradients in gradients_of(model, rng):
        optimizer.apply([keras.ops.convert_to_tensor(g) for g in gradients])
        reference.step(gradients)
    assert {v.dtype for v in model.trainable_variables} == {"float32"}
    assert_equal_weights(model, reference.weights)


def test_saved_training_goes_on_as_if_never_stopped(tmp_path):
    straight, stopped = fit(fit(mlp())), fit(mlp())
    straight_again = fit(mlp())
    straight_again.fit(*_more(), 8, verbose=0, shuffle=False)
    stopped.save(tmp_path / "model.keras")
    resumed = keras.models.load_model(tmp_path / "model.keras")
    assert isinstance(resumed.optimizer, GroupedAdamW) and resumed.optimizer.scales == stopped.optimizer.scales
    resumed.fit(*_more(), 8, verbose=0, shuffle=False)
    for ours, theirs in zip(resumed.get_weights(), straight_again.get_weights(), strict=True):
        np.testing.assert_array_equal(ours, theirs)
    assert not np.array_equal(resumed.get_weights()[0], straight.get_weights()[0])


def _more():
    rng = np.random.default_rng(6)
    return rng.normal(size=(16, 5)), rng.normal(size=(16, 3))


def test_wrong_number_of_variables_and_a_common_decay_are_refused():
    with pytest.raises(ValueError, match="2 scales, 2 decays, 2 starts do not match 8 variables"):
        GroupedAdamW(scales=[1, 1], decays=[0, 0]).build(mlp().trainable_variables)
    with pytest.raises(ValueError, match="takes no weight_decay"):
        GroupedAdamW(scales=[], decays=[], weight_decay=0.1)
