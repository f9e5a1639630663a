"""Training from Python: what callbacks of Keras do, what is returned, and what the trainer must not know."""

import re
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
from kit.runs import SMOKE

import keras_vit
from keras_vit import Classify, Options, train


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    """Three short epochs of a small part of the digits."""
    root = tmp_path_factory.mktemp("train")
    return SMOKE.replace(epochs=3, train_fraction=0.2, batch_size=32, data_dir=str(root / "data"))


def rates_of(base, tmp_path, callbacks):
    seen = []
    note = keras.callbacks.LambdaCallback(on_epoch_begin=lambda epoch, logs: seen.append(None))
    note.on_train_batch_begin = lambda batch, logs=None: seen.append(float(note.model.optimizer.learning_rate))
    result = train(base.replace(output=str(tmp_path / "run")), [*callbacks, note])
    return seen, result


def test_a_scheduler_of_keras_sets_the_rate_of_every_epoch(base, tmp_path):
    schedule = keras.callbacks.LearningRateScheduler(lambda epoch, rate: 0.01 / (epoch + 1))
    seen, result = rates_of(base, tmp_path, [schedule])
    steps = (len(seen) - 3) // 3
    expected = [rate for epoch in range(3) for rate in (None, *[0.01 / (epoch + 1)] * steps)]
    assert steps > 2 and seen == pytest.approx(expected)
    assert [row["learning_rate"] for row in result.rows] == pytest.approx([0.01, 0.005, 0.01 / 3])


def test_the_rate_is_reduced_on_a_plateau_and_the_schedule_rules_until_then(base, tmp_path):
    reduce = keras.callbacks.ReduceLROnPlateau(monitor="val_loss", factor=0.1, patience=1, min_delta=100.0)
    seen, result = rates_of(base, tmp_path, [reduce])
    starts = [i for i, each in enumerate(seen) if each is None]
    epochs = [seen[a + 1 : b] for a, b in zip(starts, [*starts[1:], None], strict=True)]
    assert len(set(epochs[0])) > 1 and len(set(epochs[1])) > 1, "the schedule ruled the first two epochs"
    assert len(set(epochs[2])) == 1, "what the callback has set holds"
    assert epochs[2][0] == pytest.approx(0.1 * _after(epochs[1], base), rel=1e-3)
    assert result.rows[2]["learning_rate"] == pytest.approx(epochs[2][0])


def _after(rates, base):
    """Returns the cosine's rate one step after the last of `rates`."""
    optim, steps = base.optim, len(rates)
    warmup, total = round(optim.warmup_epochs * steps), optim.epochs * steps
    done = 2 * steps
    return optim.learning_rate * 0.5 * (1 + np.cos(np.pi * (done - warmup) / (total - warmup)))


@pytest.mark.slow
def test_what_a_model_checkpoint_saves_loads_in_a_fresh_process(base, tmp_path):
    path = tmp_path / "epoch-{epoch}.keras"
    result = train(base.replace(output=str(tmp_path / "run")), [keras.callbacks.ModelCheckpoint(path)])
    program = f"""
import keras, keras_vit
import numpy as np
model = keras.saving.load_model(r"{tmp_path / "epoch-3.keras"}")
assert int(model.optimizer.iterations) > 0
np.save(r"{tmp_path / "found.npy"}", model(np.ones((2, 8, 8, 1), "float32"), training=False))
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    last = keras.saving.load_model(tmp_path / "epoch-3.keras")
    np.testing.assert_allclose(
        np.load(tmp_path / "found.npy"), last(np.ones((2, 8, 8, 1), "float32"), training=False), rtol=1e-5, atol=1e-6
    )
    assert len(result.rows) == 3


def test_early_stopping_ends_the_run_with_its_result(base, tmp_path):
    stop = keras.callbacks.EarlyStopping(monitor="val_loss", min_delta=100.0, patience=1)
    result = train(base.replace(output=str(tmp_path / "run")), [stop])
    assert len(result.rows) == 2 and result.folder.result.exists()


@pytest.mark.slow
def test_a_step_compiled_by_xla_gives_the_same_numbers(base, tmp_path):
    without_chance = base.replace(epochs=2, model_options=base.model.options | {"dropout": 0.0})  # XLA draws otherwise
    plain, compiled = (
        train(without_chance.replace(jit_compile=jit, output=str(tmp_path / str(jit)))) for jit in (False, True)
    )
    for name in ("loss", "val_loss", "accuracy"):
        values = [[row[name] for row in result.rows] for result in (plain, compiled)]
        np.testing.assert_allclose(values[1], values[0], rtol=1e-3, err_msg=name)


def test_options_are_changed_by_their_flags_names():
    options = Options(task=Classify()).replace(model="vit-s16", data="folder:photos", epochs=20, mixup=0.2)
    assert (options.model.name, options.data.name, options.optim.epochs, options.task.mixup) == (
        "vit-s16",
        "folder:photos",
        20,
        0.2,
    )


@pytest.mark.parametrize("room", ["training", "tuning"])
def test_trainer_and_tuner_know_nothing_of_classification(room):
    words = re.compile(r"accurac|\blabels?\b|label_|_label|\bclasses\b|classif", re.IGNORECASE)
    files = sorted((Path(keras_vit.__file__).parent / room).rglob("*.py"))
    found = [
        f"{path.name}:{i}: {line.strip()}"
        for path in files
        for i, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1)
        if words.search(line) and not line.lstrip().startswith(">>> ")  # an example has some task
    ]
    assert len(files) > 5 and not found, "\n".join(found)
