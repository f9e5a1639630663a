"""AdamW on kernels only, with its schedule, against the update written out."""

import keras
import numpy as np
import pytest

from keras_vit.training.optimizers import adamw


def cosine_with_warmup(step, peak, steps, warmup):
    if step < warmup:
        return peak * step / warmup
    return peak * 0.5 * (1 + np.cos(np.pi * (step - warmup) / (steps - warmup)))


@pytest.mark.parametrize("warmup", [0, 3])
def test_learning_rate_rises_linearly_and_falls_to_zero_as_a_cosine(warmup):
    optimizer = adamw([keras.Variable(np.ones(2), name="kernel")], 0.7, 0.0, 11, warmup)
    for step in range(12):
        optimizer.iterations.assign(step)
        np.testing.assert_allclose(optimizer.learning_rate, cosine_with_warmup(step, 0.7, 11, warmup), atol=1e-6)


def test_only_kernels_decay():
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(5), keras.layers.LayerNormalization()])
    for weight in model.trainable_variables:
        weight.assign(np.full(weight.shape, 2.0))
    optimizer = adamw(model.trainable_variables, 0.5, 0.25, steps=10)
    optimizer.apply_gradients([(np.zeros(w.shape, "float32"), w) for w in model.trainable_variables])
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
    optimizer = adamw([kernel], 0.1, 0.3, steps=7, warmup_steps=2)
    expected, first, second = start.copy(), np.zeros((2, 3)), np.zeros((2, 3))
    for i, gradient in enumerate(gradients):
        optimizer.apply_gradients([(keras.ops.cast(gradient, "float32"), kernel)])
        rate = cosine_with_warmup(i, 0.1, 7, 2)
        first = 0.9 * first + 0.1 * gradient
        second = 0.999 * second + 0.001 * gradient**2
        expected -= rate * 0.3 * expected
        expected -= rate * (first / (1 - 0.9 ** (i + 1))) / (np.sqrt(second / (1 - 0.999 ** (i + 1))) + 1e-7)
    np.testing.assert_allclose(kernel.numpy(), expected, rtol=1e-4, atol=1e-6)


def test_warmup_longer_than_the_training_is_refused():
    with pytest.raises(ValueError, match="warm-up of 9 steps does not fit a training of 9 steps"):
        adamw([], 0.1, 0.0, steps=9, warmup_steps=9)
