"""Several workers run the recipe as one: who writes, who speaks, and what the loss of one leaves."""

import json
import os
import random
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from kit.ports import addresses

from keras_vit.tasks.presets.classify import PRESETS
from keras_vit.training.devices import cluster, strategy
from keras_vit.training.train import train

pytestmark = pytest.mark.slow
SMOKE = PRESETS["smoke"]()
# with every source of chance, which each device has of its own
CHANCE = {**SMOKE.model.options, "depth": 2, "dropout": 0.1, "drop_path": 0.2}
KILLS = max(2, int(os.environ.get("KILLS", 2)))
SLOW = (
    "import keras, time\nslow = keras.callbacks.LambdaCallback(on_train_batch_end=lambda batch, logs: time.sleep(0.02))"
)


def start(options, count=2):
    """Starts the recipe with `count` workers, each in a process with a temporary folder of its own."""
    where = addresses(count)
    running = []
    for index in range(count):
        own = options.replace(workers=where, index=index).flat()
        lines = [
            "from keras_vit.recipes.train_classifier import PRESETS, train",
            "from keras_vit import cli",
            SLOW,
            f"cli.call(lambda: train(PRESETS['smoke']().replace(**{own!r}), [slow]))",
        ]
        place = Path(f"{options.run.output}-tmp-{index}")
        place.mkdir(exist_ok=True)
        quiet = os.environ | {"TMPDIR": str(place), "TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": ""}
        command = [sys.executable, "-c", "\n".join(lines)]
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
        running.append(subprocess.Popen(command, env=quiet, **pipes))
    return running


def finish(running):
    """Returns (exit status, stdout, stderr) of each worker."""
    said = [each.communicate(timeout=240) for each in running]
    return [(each.returncode, *both) for each, both in zip(running, said, strict=True)]


def state_of(output):
    with np.load(Path(output, "state", "latest.npz")) as file:
        return {key: file[key] for key in file if key != "progress"}


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    root = tmp_path_factory.mktemp("cluster")
    folders = {"data_dir": str(root / "data"), "output": str(root / "run")}
    return SMOKE.replace(model_options=CHANCE, epochs=KILLS + 2, **folders)


@pytest.fixture(scope="module")
def undisturbed(base):
    """What the two workers of a whole run said; they find no data and prepare it on one disk."""
    return finish(start(base))


def test_only_the_chief_writes_and_speaks(base, undisturbed):
    (first, said, errors), (second, silence, warnings) = undisturbed
    assert (first, second) == (0, 0), errors + warnings
    assert said.count(f"epoch {base.optim.epochs}/{base.optim.epochs}") == 1 and "test accuracy" in said
    assert silence == ""
    names = {"options.json", "state", "best.keras", "history.csv", "curves.png", "tensorboard", "result.json"}
    names |= {"confusion.csv", "confusion.png", "images.json"}
    assert {each.name for each in Path(base.run.output).iterdir()} == names
    for writer in ("train", "validation", "input"):
        assert len(list(Path(base.run.output).glob(f"tensorboard/{writer}/events*"))) == 1
    assert not [each for i in (0, 1) for each in Path(f"{base.run.output}-tmp-{i}").rglob("*.keras")]
    told = json.loads(Path(base.run.output, "result.json").read_text())
    assert told["devices"] == ["worker 0 CPU:0", "worker 1 CPU:0"]
    matrix = np.loadtxt(Path(base.run.output, "confusion.csv"), int, delimiter=",", skiprows=1)[:, 1:]
    assert matrix.sum() == told["images"]["test"] == 360  # of both workers
    np.testing.assert_allclose(told["test"]["accuracy"], np.trace(matrix) / 360, rtol=1e-6)


def after_a_state(options, act):
    """Starts two workers, calls `act` on them at a random moment after they saved a state, returns their outcomes."""
    state, running = Path(options.run.output, "state", "latest.npz"), start(options)
    begun, until = state.stat().st_mtime_ns if state.exists() else None, time.monotonic() + 200
    while running[0].poll() is None and time.monotonic() < until:
        if state.exists() and state.stat().st_mtime_ns != begun:
            break
        time.sleep(0.01)
    time.sleep(random.uniform(0, 0.3))
    act(running)
    return finish(running)


def test_killed_and_terminated_workers_started_again_end_as_if_they_never_were(base, undisturbed, tmp_path):
    options = base.replace(save_every=3, output=str(tmp_path / "run"))
    for index in (0, 1, *random.choices((0, 1), k=KILLS - 2)):
        outcomes = after_a_state(options, lambda running, index=index: running[index].kill())
        assert outcomes[index][0] == -signal.SIGKILL, outcomes
        status, _, errors = outcomes[1 - index]
        (sentence,) = (line for line in errors.splitlines() if line.startswith("error: "))
        assert status == 1 and sentence.startswith(f"error: worker {index} of the cluster ended"), errors
        assert f"the run in {options.run.output} goes on from its last state" in sentence
    outcomes = after_a_state(options, lambda running: running[1].send_signal(signal.SIGTERM))
    (first, _, said), (second, _, silence) = outcomes
    assert (first, second) == (143, 143), said + silence
    assert f"is saved in {options.run.output}/state/latest.npz; the same command goes on" in said
    assert "terminated" not in silence and "error: " not in silence
    assert not Path(options.run.output, "result.json").exists()
    for status, _, errors in finish(start(options)):
        assert status == 0, errors
    ours, theirs = state_of(options.run.output), state_of(base.run.output)
    assert all(np.array_equal(ours[key], theirs[key]) for key in theirs)
    assert Path(options.run.output, "history.csv").read_bytes() == Path(base.run.output, "history.csv").read_bytes()


def test_three_workers_end_where_one_process_does(base, undisturbed, tmp_path):
    plain = {**SMOKE.model.options, "dropout": 0.0}
    common = {"model_options": plain, "epochs": 1, "batch_size": 60, "warmup_epochs": 0.3, "clip_norm": 1.0}
    one = base.replace(output=str(tmp_path / "one"), **common)
    three = one.replace(gradient_accumulation=1, steps_per_execution=3, output=str(tmp_path / "three"))
    running = start(three, 3)
    train(one)
    for status, _, errors in finish(running):
        assert status == 0, errors
    for key, value in state_of(three.run.output).items():
        np.testing.assert_allclose(value, state_of(one.run.output)[key], atol=1e-4, err_msg=key)


def test_what_the_chief_refuses_every_worker_refuses(base, undisturbed):
    for status, said, errors in finish(start(base.replace(seed=5))):
        assert status == 2 and "seed is 0 there and 5 here" in errors
        assert "epoch" not in said


@pytest.mark.parametrize(
    ("workers", "index", "sentence"),
    [
        ("a:1,b:2", None, "workers (--workers) and index (--index) go together"),
        (None, 0, "workers (--workers) and index (--index) go together"),
        ("a:1,b", 0, "'b' in workers is not of the form host:port"),
        ("a:1,a:1", 0, "stands twice"),
        ("a:1,b:2", 2, "index 2 does not name one of 2 workers; it is 0 to 1"),
    ],
)
def test_a_cluster_that_makes_no_sense_is_refused(workers, index, sentence):
    with pytest.raises(ValueError, match=re.escape(sentence)):
        cluster.described(workers, index)


def test_workers_are_described_as_tensorflow_wants_it():
    task = {"type": "worker", "index": 1}
    assert cluster.described("a:1, b:2", 1) == {"cluster": {"worker": ["a:1", "b:2"]}, "task": task}


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", r"needs workers \(--workers\) and index \(--index\), or TF_CONFIG such as"),
        ("{", "has no such form as"),
        ('{"cluster": {}}', "has no such form as"),
        ('{"cluster": {"worker": ["a:1"]}, "task": {"type": "chief", "index": 0}}', "has no such form as"),
        ('{"cluster": {"worker": ["a:1"]}, "task": {"type": "worker", "index": 1}}', "its task is one of them"),
        ('{"cluster": {"worker": ["a:1"], "ps": ["b:2"]}, "task": {"type": "worker", "index": 0}}', "alone"),
    ],
)
def test_a_tf_config_that_makes_no_sense_is_refused(monkeypatch, text, sentence):
    monkeypatch.setenv("TF_CONFIG", text)
    with pytest.raises(ValueError, match=sentence):
        strategy.choose("multiworker")


@pytest.mark.parametrize(
    ("name", "options", "sentence"),
    [
        ("tpu", {}, "no strategy 'tpu'; it is one of auto, one, mirrored, multiworker"),
        ("one", {"index": 0}, "are for the strategy multiworker, not one"),
        ("mirrored", {"workers": "a:1"}, "are for the strategy multiworker, not mirrored"),
    ],
)
def test_a_strategy_that_cannot_be_had_is_refused(name, options, sentence):
    with pytest.raises(ValueError, match=sentence):
        strategy.choose(name, **options)


def test_a_cluster_joined_too_late_is_refused(monkeypatch):
    import tensorflow as tf

    tf.constant(1) + 1
    monkeypatch.setenv("TF_CONFIG", json.dumps(cluster.described(addresses(2), 1)))
    with pytest.raises(ValueError, match="before TensorFlow computes anything"):
        strategy.choose()
