"""The optimizers of the recipe and their schedule, against the updates written out."""

import keras
import numpy as np
import pytest

from keras_vit.training.optim.ema import averaged
from keras_vit.training.optim.optimizers import make_optimizer, warmup_cosine


def cosine_with_warmup(step, peak, steps, warmup):
    if step < warmup:
        return peak * step / warmup
    return peak * 0.5 * (1 + np.cos(np.pi * (step - warmup) / (steps - warmup)))


def dense(rng, **options):
    """A hidden layer called block_0 and a head, with random weights."""
    layers = [keras.layers.Dense(5, "tanh", name="block_0"), keras.layers.Dense(2, name="head")]
    model = keras.Sequential([keras.Input((3,)), *layers])
    model.set_weights([rng.normal(size=w.shape) for w in model.weights])
    return model


@pytest.mark.parametrize("warmup", [0, 3])
def test_learning_rate_rises_linearly_and_falls_to_zero_as_a_cosine(warmup):
    schedule = warmup_cosine(0.7, 11, warmup)
    for step in range(12):
        np.testing.assert_allclose(schedule(step), cosine_with_warmup(step, 0.7, 11, warmup), atol=1e-6)


@pytest.mark.parametrize("name", ["adamw", "sgd"])
def test_only_kernels_decay(name):
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(5), keras.layers.LayerNormalization()])
    for weight in model.trainable_variables:
        weight.assign(np.full(weight.shape, 2.0))
    made = make_optimizer(name, model, 0.5, weight_decay=0.25)
    made.apply_gradients([(np.zeros(w.shape, "float32"), w) for w in model.trainable_variables])
    after = {weight.path.rpartition("/")[2]: weight.numpy() for weight in model.trainable_variables}
    assert set(after) == {"kernel", "bias", "gamma", "beta"}
    np.testing.assert_allclose(after.pop("kernel"), 2.0 * (1 - 0.5 * 0.25), rtol=1e-6)
    for value in after.values():
        np.testing.assert_array_equal(value, 2.0)


def test_a_step_is_adam_with_decoupled_decay(rng):
    start, gradients = rng.normal(size=(2, 3)), rng.normal(size=(4, 2, 3))
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(3, use_bias=False)])
    kernel = model.trainable_variables[0]
    kernel.assign(start)
    made = make_optimizer("adamw", model, warmup_cosine(0.1, 7, 2), weight_decay=0.3)
    expected, first, second = start.copy(), np.zeros((2, 3)), np.zeros((2, 3))
    for i, gradient in enumerate(gradients):
        made.apply_gradients([(keras.ops.cast(gradient, "float32"), kernel)])
        rate = cosine_with_warmup(i, 0.1, 7, 2)
        first = 0.9 * first + 0.1 * gradient
        second = 0.999 * second + 0.001 * gradient**2
        expected -= rate * 0.3 * expected
        expected -= rate * (first / (1 - 0.9 ** (i + 1))) / (np.sqrt(second / (1 - 0.999 ** (i + 1))) + 1e-7)
    np.testing.assert_allclose(kernel.numpy(), expected, rtol=1e-4, atol=1e-6)


def test_sgd_has_momentum_and_decoupled_decay(rng):
    start, gradients = rng.normal(size=(2, 3)), rng.normal(size=(4, 2, 3))
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(3, use_bias=False)])
    kernel = model.trainable_variables[0]
    kernel.assign(start)
    made = make_optimizer("sgd", model, 0.1, weight_decay=0.3)
    expected, velocity = start.copy(), np.zeros((2, 3))
    for gradient in gradients:
        made.apply_gradients([(keras.ops.cast(gradient, "float32"), kernel)])
        expected -= 0.1 * 0.3 * expected
        velocity = 0.9 * velocity - 0.1 * gradient
        expected += velocity
    np.testing.assert_allclose(kernel.numpy(), expected, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("name", ["adamw", "lamb", "sgd"])
def test_the_head_alone_learns_in_the_first_steps(rng, name):
    model = dense(rng)
    made = make_optimizer(name, model, 0.1, weight_decay=0.3, head_steps=2)
    moved = []
    for _ in range(4):
        before = model.get_weights()
        gradients = [rng.normal(size=w.shape).astype("float32") for w in model.weights]
        made.apply([keras.ops.convert_to_tensor(g) for g in gradients])
        moved.append([not np.array_equal(a, b) for a, b in zip(before, model.get_weights(), strict=True)])
    assert moved == [[False, False, True, True]] * 2 + [[True] * 4] * 2


def test_a_model_without_a_head_has_none_to_train_first():
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(5, name="block_0")])
    with pytest.raises(ValueError, match="has no layer head or head_dist to train first"):
        make_optimizer("adamw", model, 0.1, head_steps=3)


@pytest.mark.parametrize("name", ["adamw", "lamb", "sgd"])
def test_the_moving_average_is_kept_beside_the_weights(rng, name):
    model = dense(rng)
    model.compile(make_optimizer(name, model, 0.1, weight_decay=0.1, ema=0.75), "mse", jit_compile=False)
    x, y = rng.normal(size=(8, 3)), rng.normal(size=(8, 2))
    seen = []
    for step in range(8):  # Keras' `fit` would put the average in the place of the weights at its end
        rows = slice(2 * (step % 4), 2 * (step % 4) + 2)
        model.train_on_batch(x[rows], y[rows])
        seen.append(model.get_weights())
    expected = seen[0]
    for weights in seen[1:]:
        expected = [0.75 * a + 0.25 * b for a, b in zip(expected, weights, strict=True)]
    for ours, theirs in zip(model.get_weights(), seen[-1], strict=True):
        np.testing.assert_array_equal(ours, theirs)
    with averaged(model.optimizer):
        for ours, theirs in zip(model.get_weights(), expected, strict=True):
            np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-6)
        measured = model.evaluate(x, y, verbose=0)
    for ours, theirs in zip(model.get_weights(), seen[-1], strict=True):
        np.testing.assert_array_equal(ours, theirs)
    assert model.evaluate(x, y, verbose=0) != measured


def test_without_a_moving_average_nothing_changes(rng):
    model = dense(rng)
    model.compile(make_optimizer("adamw", model, 0.1))
    before = model.get_weights()
    with averaged(model.optimizer):
        assert all(np.array_equal(a, b) for a, b in zip(before, model.get_weights(), strict=True))


def test_what_cannot_be_had_is_refused(rng):
    with pytest.raises(ValueError, match="warm-up of 9 steps does not fit a training of 9 steps"):
        warmup_cosine(0.1, steps=9, warmup_steps=9)
    with pytest.raises(ValueError, match="no optimizer 'adam'; it is one of adamw, lamb, sgd"):
        make_optimizer("adam", dense(rng), 0.1)


@pytest.mark.parametrize("name", ["adamw", "lamb", "sgd"])
def test_a_rate_that_is_set_holds_in_place_of_the_schedule_and_is_saved(rng, name, tmp_path):
    def steps(optimizer, kernel):
        before = kernel.numpy()
        optimizer.apply_gradients([(each * 0 + 1, each) for each in model.trainable_variables])
        return np.abs(kernel.numpy() - before).max()

    model = dense(rng)
    optimizer = make_optimizer(name, model, warmup_cosine(0.5, 9))
    kernel = model.layers[0].kernel
    assert float(optimizer.learning_rate) == 0.5 and steps(optimizer, kernel) > 1e-3
    assert float(optimizer.learning_rate) < 0.5
    optimizer.learning_rate = 0.0
    assert float(optimizer.learning_rate) == 0 and (steps(optimizer, kernel) == 0 or name == "sgd")  # has momentum
    optimizer.learning_rate = np.float32(0.25)
    steps(optimizer, kernel)
    assert float(optimizer.learning_rate) == 0.25
    model.compile(optimizer)
    model.save(tmp_path / "model.keras")
    assert float(keras.saving.load_model(tmp_path / "model.keras").optimizer.learning_rate) == 0.25
