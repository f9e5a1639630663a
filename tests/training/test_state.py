"""The state of a training comes back whole, or is refused with a sentence."""

import json

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


def snapshot(model=None):
    model = model or network()
    return state.snapshot(model, model.optimizer, state.Progress())


def restore(path, model):
    arrays, progress = state.read(path)
    state.fill(path, arrays, model, model.optimizer)
    return progress


def test_training_goes_on_from_a_state_as_if_it_had_not_stopped(tmp_path, rng):
    x, y = rng.normal(size=(7, 3)), rng.normal(size=(7, 2))
    model = network()
    model.fit(x, y, batch_size=7, epochs=3, verbose=0)
    rows = [{"epoch": epoch, "loss": 1 / epoch} for epoch in (1, 2, 3)]
    progress = state.Progress(
        epochs=3, step=2, metrics=[[1 / 7]], rows=rows, best={"epoch": 2, "loss": 1 / 3}, skipped=["a.png"]
    )
    snapshot = state.snapshot(model, model.optimizer, progress)
    model.fit(x, y, batch_size=7, epochs=3, verbose=0)
    expected = [each.numpy() for each in state.variables(model, model.optimizer).values()]
    state.save(tmp_path / "state.npz", snapshot)  # of before, for all that happened meanwhile
    other = network()
    assert restore(tmp_path / "state.npz", other) == progress
    other.fit(x, y, batch_size=7, epochs=3, verbose=0)
    for ours, theirs in zip(state.variables(other, other.optimizer).values(), expected, strict=True):
        np.testing.assert_array_equal(ours.numpy(), theirs)


def test_state_holds_random_counters_and_optimizer_slots():
    model = network()
    paths = [each.path for each in state.variables(model, model.optimizer).values()]
    assert sum("seed_generator_state" in path for path in paths) == 1
    assert sum("momentum" in path for path in paths) == sum("velocity" in path for path in paths) == 4


def test_state_of_another_model_is_refused(tmp_path):
    state.save(tmp_path / "state.npz", snapshot())
    with pytest.raises(ValueError, match="state of another model; start over with fresh"):
        restore(tmp_path / "state.npz", network(width=11))


def test_damaged_state_is_refused(tmp_path):
    path = tmp_path / "state.npz"
    state.save(path, snapshot())
    for damage in (path.read_bytes()[:-50], b"", b"no zip"):
        path.write_bytes(damage)
        with pytest.raises(ValueError, match="is damaged"):
            restore(path, network())


def told(**changes):
    """A snapshot whose progress is told with `changes`."""
    arrays = snapshot()
    return arrays | {"progress": np.array(json.dumps(json.loads(str(arrays["progress"])) | changes))}


@pytest.mark.parametrize(
    ("arrays", "sentence"),
    [
        ({"model/kernel": np.zeros(3)}, "is damaged .it doesn't tell where the training stood"),
        ({"progress": np.array("{")}, "is damaged .Expecting"),
        ({"progress": np.array("[1]")}, "is damaged"),
        ({"epochs": -1}, "doesn't tell where the training stood: 0 rows of -1 epochs"),
        ({"epochs": 3}, "doesn't tell where the training stood: 0 rows of 3 epochs"),
        ({"step": "3"}, "step is a whole number, not '3'"),
        ({"seconds": float("nan")}, "seconds is a finite number, not nan"),
        ({"rows": None}, "is damaged"),
        ({"unheard_of": 1}, "unheard_of"),
        ({"a": np.array([{}], object), "progress": np.array("{}")}, "is damaged .*allow_pickle=False"),
    ],
)
def test_a_state_that_says_what_no_training_wrote_is_refused(arrays, sentence, tmp_path):
    is_array = isinstance(next(iter(arrays.values())), np.ndarray)
    np.savez(tmp_path / "state.npz", **arrays if is_array else told(**arrays))
    with pytest.raises(state.DamagedError, match=sentence):
        state.read(tmp_path / "state.npz")


def test_a_state_of_a_newer_version_says_so(tmp_path):
    state.save(tmp_path / "state.npz", told(format=state.FORMAT + 1, new=[3]))
    said = f"of a newer version of keras_vit, in format {state.FORMAT + 1}; this version reads formats up to"
    with pytest.raises(state.StateError, match=said) as refused:
        state.read(tmp_path / "state.npz")
    assert not isinstance(refused.value, state.DamagedError)


def test_a_state_of_before_formats_had_numbers_is_read(tmp_path):
    arrays = snapshot()
    progress = json.loads(str(arrays["progress"]))
    assert progress.pop("format") == state.FORMAT
    state.save(tmp_path / "state.npz", arrays | {"progress": np.array(json.dumps(progress))})
    assert state.read(tmp_path / "state.npz")[1] == state.Progress()


@pytest.mark.parametrize("links", [True, False])
def test_the_state_before_stays_beside_the_last(tmp_path, links, monkeypatch):
    if not links:
        monkeypatch.setattr("os.link", lambda *_: (_ for _ in ()).throw(OSError("Operation not permitted")))
    latest, earlier = tmp_path / "latest.npz", tmp_path / "earlier.npz"
    for step in (1, 2, 3):
        state.save(latest, told(step=step), earlier)
        assert state.read(latest)[1].step == step
        assert step == 1 or state.read(earlier)[1].step == step - 1
    assert sorted(each.name for each in tmp_path.iterdir()) == ["earlier.npz", "latest.npz"]


@pytest.mark.parametrize("which", ["model/", "optimizer/sequential"])
def test_a_value_that_is_no_number_is_seen(which):
    arrays = snapshot()
    assert state.is_finite(arrays)
    name = next(key for key in arrays if key.startswith(which) and arrays[key].dtype.kind == "f")
    arrays[name].flat[-1] = np.nan
    assert not state.is_finite(arrays)


def named(seed, order=("first", "second")):
    """Two layers of one shape beside each other, whose weights differ."""
    keras.utils.set_random_seed(seed)
    inputs = keras.Input((3,))
    model = keras.Model(inputs, [keras.layers.Dense(3, name=name)(inputs) for name in order])
    rate = keras.optimizers.schedules.CosineDecay(0.01, 100)
    model.compile(make_optimizer("adamw", model, rate), "mse")
    return model


def test_weights_go_by_their_names_and_not_by_their_places(tmp_path):
    one, other = named(1), named(2, order=("second", "first"))
    state.save(tmp_path / "state.npz", snapshot(one))
    restore(tmp_path / "state.npz", other)
    for name in ("first", "second"):
        np.testing.assert_array_equal(other.get_layer(name).kernel, one.get_layer(name).kernel)


def test_two_variables_of_one_path_are_both_kept(tmp_path):
    def twins(seed):
        keras.utils.set_random_seed(seed)
        inputs = keras.Input((3,))
        inside = keras.Input((3,))
        inner = keras.Model(inside, keras.layers.Dense(3, name="same")(inside), name="inner")
        model = keras.Model(inputs, inner(keras.layers.Dense(3, name="same")(inputs)))
        model.compile(make_optimizer("sgd", model, 0.01), "mse")
        return model

    one, other = twins(1), twins(2)
    assert len({weight.path for weight in one.weights}) < len(one.weights)
    state.save(tmp_path / "state.npz", snapshot(one))
    restore(tmp_path / "state.npz", other)
    for ours, theirs in zip(other.get_weights(), one.get_weights(), strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_a_state_of_before_names_is_read_by_places(tmp_path):
    one, other = named(1), named(2)
    one.optimizer.iterations.assign(5)
    arrays = snapshot(one)
    old = {"progress": arrays.pop("progress")}
    for group in ("model", "optimizer"):
        values = [value for key, value in arrays.items() if key.startswith(group) and not key.endswith("set_rate")]
        old |= {f"{group}_{i}": value for i, value in enumerate(values)}
    state.save(tmp_path / "state.npz", old)
    restore(tmp_path / "state.npz", other)
    assert int(other.optimizer.iterations) == 5
    for ours, theirs in zip(other.get_weights(), one.get_weights(), strict=True):
        np.testing.assert_array_equal(ours, theirs)
    del old["model_0"]
    state.save(tmp_path / "state.npz", old)
    with pytest.raises(ValueError, match="state of another model"):
        restore(tmp_path / "state.npz", other)
