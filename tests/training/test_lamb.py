"""LAMB against its paper's algorithm written out."""

import keras
import numpy as np
import pytest

from keras_vit.training.optim.optimizers import make_optimizer
from keras_vit.training.optim.parameter_groups import Lamb


def model(rng):
    made = keras.Sequential([keras.Input((5,)), keras.layers.Dense(7), keras.layers.Dense(3)])
    made.set_weights([rng.normal(size=w.shape) for w in made.weights])
    return made


def reference(weights, gradients, rates, decay):
    """Algorithm 2 of the paper with phi the identity; biases take Adam's steps."""
    weights = [w.astype("float64") for w in weights]
    first, second = ([np.zeros_like(w) for w in weights] for _ in range(2))
    for t, (step, rate) in enumerate(zip(gradients, rates, strict=True), start=1):
        for i, gradient in enumerate(step):
            first[i] = 0.9 * first[i] + 0.1 * gradient
            second[i] = 0.999 * second[i] + 0.001 * gradient**2
            update = first[i] / (1 - 0.9**t) / (np.sqrt(second[i] / (1 - 0.999**t)) + 1e-6)
            if weights[i].ndim > 1:
                update = update + decay * weights[i]
                norm = np.linalg.norm(weights[i])
                update *= norm / np.linalg.norm(update) if norm else 1
            weights[i] = weights[i] - rate * update
    return weights


@pytest.mark.parametrize("zero", [False, True], ids=["", "kernel of zeros"])
def test_steps_are_those_of_the_paper(rng, zero):
    made = model(rng)
    if zero:  # as heads begin
        made.weights[2].assign(np.zeros((7, 3)))
    gradients = [[rng.normal(size=w.shape).astype("float32") for w in made.weights] for _ in range(5)]
    schedule = keras.optimizers.schedules.PolynomialDecay(0.05, 6, end_learning_rate=0.0)
    expected = reference(made.get_weights(), gradients, [0.05 * (1 - t / 6) for t in range(5)], 0.3)
    optimizer = make_optimizer("lamb", made, schedule, weight_decay=0.3)
    for step in gradients:
        optimizer.apply([keras.ops.convert_to_tensor(g) for g in step])
    for ours, theirs in zip(made.get_weights(), expected, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=5e-5, atol=5e-6)


def test_keras_own_still_decays_beside_the_ratio(rng):
    """Where this fails Keras has the paper's algorithm, and ours may go."""
    made = model(rng)
    gradients = [[rng.normal(size=w.shape).astype("float32") for w in made.weights]]
    expected = reference(made.get_weights(), gradients, [0.05], 0.3)
    theirs = keras.optimizers.Lamb(0.05, epsilon=1e-6, weight_decay=0.3)
    theirs.apply([keras.ops.convert_to_tensor(g) for g in gradients[0]], made.trainable_variables)
    assert np.abs(made.get_weights()[0] - expected[0]).max() > 1e-3


def test_saved_training_goes_on_as_if_never_stopped(rng, tmp_path):
    x, y = rng.normal(size=(16, 5)), rng.normal(size=(16, 3))
    made = model(rng)
    made.compile(make_optimizer("lamb", made, 0.01, weight_decay=0.3), "mse", jit_compile=False)
    made.fit(x, y, 8, verbose=0, shuffle=False)
    made.save(tmp_path / "model.keras")
    resumed = keras.models.load_model(tmp_path / "model.keras")
    assert isinstance(resumed.optimizer, Lamb) and resumed.optimizer.decays == (0.3, 0.0, 0.3, 0.0)
    for each in (made, resumed):
        each.fit(x, y, 8, verbose=0, shuffle=False)
    for ours, theirs in zip(resumed.get_weights(), made.get_weights(), strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_wrong_number_of_variables_and_a_common_decay_are_refused(rng):
    with pytest.raises(ValueError, match="1 scales, 1 decays, 1 starts do not match 4 variables"):
        Lamb(decays=[0.1]).build(model(rng).trainable_variables)
    with pytest.raises(ValueError, match="takes no weight_decay"):
        Lamb(decays=[], weight_decay=0.1)
