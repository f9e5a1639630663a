"""The state of a training comes back whole, or is refused with a sentence."""

import keras
import numpy as np
import pytest

from keras_vit.training.optim.optimizers import make_optimizer
from keras_vit.training.runs import state


def network(width=5):
    layers = [keras.Input((3,)), keras.layers.Dense(width), keras.layers.Dropout(0.5), keras.layers.Dense(2)]
    model = keras.Sequential(layers)
    model.compile(make_optimizer("adamw", model, 0.01, weight_decay=0.1), keras.losses.MeanSquaredError())
    return model


def test_training_goes_on_from_a_state_as_if_it_had_not_stopped(tmp_path, rng):
    x, y = rng.normal(size=(7, 3)), rng.normal(size=(7, 2))
    model = network()
    model.fit(x, y, batch_size=7, epochs=3, verbose=0)
    progress = state.Progress(
        epochs=3, step=2, metrics=[[1 / 7]], rows=[{"epoch": 3, "loss": 1 / 3}], best={"epoch": 2}, skipped=["a.png"]
    )
    snapshot = state.snapshot(model, progress)
    model.fit(x, y, batch_size=7, epochs=3, verbose=0)
    expected = [each.numpy() for each in state.variables(model).values()]
    state.save(tmp_path / "state.npz", snapshot)  # of before, for all that happened meanwhile
    other = network()
    assert state.restore(tmp_path / "state.npz", other) == progress
    other.fit(x, y, batch_size=7, epochs=3, verbose=0)
    for ours, theirs in zip(state.variables(other).values(), expected, strict=True):
        np.testing.assert_array_equal(ours.numpy(), theirs)


def test_state_holds_random_counters_and_optimizer_slots():
    model = network()
    paths = [each.path for each in state.variables(model).values()]
    assert sum("seed_generator_state" in path for path in paths) == 1
    assert sum("momentum" in path for path in paths) == sum("velocity" in path for path in paths) == 4


def test_state_of_another_model_is_refused(tmp_path):
    state.save(tmp_path / "state.npz", state.snapshot(network(), state.Progress()))
    with pytest.raises(ValueError, match="state of another model; start over with fresh"):
        state.restore(tmp_path / "state.npz", network(width=11))


def test_damaged_state_is_refused(tmp_path):
    path = tmp_path / "state.npz"
    state.save(path, state.snapshot(network(), state.Progress()))
    for damage in (path.read_bytes()[:-50], b"", b"no zip"):
        path.write_bytes(damage)
        with pytest.raises(ValueError, match="is damaged"):
            state.restore(path, network())


@pytest.mark.parametrize("which", ["model_0", "optimizer_2"])
def test_a_value_that_is_no_number_is_seen(which):
    arrays = state.snapshot(network(), state.Progress())
    assert state.is_finite(arrays)
    arrays[which].flat[-1] = np.nan
    assert not state.is_finite(arrays)
