"""No work is lost: a run that is killed, terminated or out of space, wherever it was, ends as one that never was."""

import multiprocessing
import os
import random
import signal
import threading
import time
from pathlib import Path

import keras
import pytest
import tensorflow as tf
from kit.killed import Seen, slow_run, terminate, whole_and_terminated
from kit.runs import CHANCE, SMOKE, assert_ended_alike, result_of
from kit.skipping import needs

from keras_vit import files
from keras_vit.files import WriteError
from keras_vit.training.devices import preemption
from keras_vit.training.runs import background
from keras_vit.training.totals import Totals
from keras_vit.training.train import train

pytestmark = pytest.mark.slow
KILLS = int(os.environ.get("KILLS", 3))
STEPS = 20  # in an epoch
# with every source of chance, and an average of the weights that changes places with them to be measured
AUGMENTED = {"model_options": CHANCE, "mixup": 0.4, "cutmix": 1.0, "repeated_augmentation": 2, "ema": 0.9, "epochs": 3}


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    root = tmp_path_factory.mktemp("checkpoint")
    folders = {"data_dir": str(root / "data"), "output": str(root / "run")}
    return SMOKE.replace(**AUGMENTED, **folders)


@pytest.fixture(scope="module")
def undisturbed(base):
    """What a callback saw of a whole run."""
    seen = Seen()
    train(base, [seen])
    return seen


class MeasuredOnce(keras.callbacks.Callback):
    """Calls `act` in the first validation."""

    def __init__(self, act):
        super().__init__()
        self.act = act

    def on_test_batch_begin(self, batch, logs=None):
        self.act()


def test_a_run_terminated_anywhere_ends_as_if_it_never_was(base, undisturbed, tmp_path, capfd):
    options = base.replace(output=str(tmp_path / "run"))
    before = signal.getsignal(signal.SIGTERM)
    steps = []
    for callback, moment in [
        (Seen(5, terminate), "step 5 of epoch 1"),
        (MeasuredOnce(terminate), f"step {STEPS} of epoch 1"),
        (Seen(13, terminate), "step 13 of epoch 2"),
    ]:
        seen = callback if isinstance(callback, Seen) else Seen()
        with pytest.raises(SystemExit) as ended:
            train(options.replace(save_every=random.randint(1, 30)), {callback, seen})
        steps += seen.steps
        assert ended.value.code == 143
        said = capfd.readouterr().err
        assert f"terminated; the state after {moment} is saved in {options.run.output}" in said
        assert "the same command goes on" in said
    assert signal.getsignal(signal.SIGTERM) is before
    last = Seen()
    train(options, [last])
    assert_ended_alike(options.run.output, base.run.output)
    # the callback that saw the end of a step may have come after the one that ended the process
    told = {(epoch, step): loss for epoch, step, loss in steps + last.steps}
    whole = {(epoch, step): loss for epoch, step, loss in undisturbed.steps}
    assert len(whole) == 3 * STEPS and told.keys() >= whole.keys() - {(0, 4), (1, 12)}
    assert len(steps + last.steps) == len(told) and all(whole[key] == told[key] for key in told)


def test_a_run_whose_last_state_was_damaged_ends_as_if_it_never_was(base, undisturbed, tmp_path):
    options = base.replace(save_every=7, output=str(tmp_path / "run"))
    with pytest.raises(SystemExit):
        train(options, [Seen(STEPS + 3, terminate)])
    path = tmp_path / "run" / "state" / "latest.npz"
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    with pytest.warns(UserWarning, match=r"latest.npz is damaged .* the state before it, that after epoch 1"):
        train(options)
    assert_ended_alike(options.run.output, base.run.output)


def test_a_termination_that_came_too_late_acts_afterwards(monkeypatch):
    noted = []
    monkeypatch.setattr(signal, "SIG_DFL", lambda *_: noted.append("default"))
    before = signal.signal(signal.SIGTERM, lambda *_: noted.append("own"))
    try:
        with preemption.noticing(tf.distribute.get_strategy()) as ending:
            assert not ending.asked()
            terminate()
            assert ending.asked() and not noted
        assert noted == ["own"]
    finally:
        signal.signal(signal.SIGTERM, before)


def test_a_thread_that_can_handle_no_signal_trains_nevertheless():
    asked = []

    def work():
        with preemption.noticing(tf.distribute.get_strategy()) as ending:
            asked.append(ending.asked())

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert asked == [False]


@pytest.fixture
def fill_disk(monkeypatch):
    """A function of a path: whatever is written to it next meets a full disk."""
    create = files._created

    def fill(path):
        def created(wanted):
            if wanted != path:
                return create(wanted)
            monkeypatch.setattr(files, "_created", create)
            partial = path.with_name(f"tmp-00000000-{path.name}")
            partial.symlink_to("/dev/full")
            return partial

        monkeypatch.setattr(files, "_created", created)

    return fill


@needs(Path("/dev/full").exists(), "there is no device that is always full")
def test_a_full_disk_ends_the_run_with_a_sentence_and_leaves_what_was_there(base, undisturbed, tmp_path, fill_disk):
    options = base.replace(save_every=6, output=str(tmp_path / "run"))
    folder = Path(options.run.output)
    state, best, history = folder / "state" / "latest.npz", folder / "state" / "best-0001.keras", folder / "history.csv"
    with pytest.raises(WriteError, match=r"latest.npz can't be written: No space left.*; nothing was saved before$"):
        train(options, [Seen(2, lambda: fill_disk(state))])
    assert not state.exists()

    def fill_later():
        until = time.monotonic() + 100
        while not state.exists() and time.monotonic() < until:
            time.sleep(0.01)
        fill_disk(state)

    for path, step, act, kept in [
        (state, 9, fill_later, "step 6 of epoch 1"),
        (best, 5, lambda: fill_disk(best), "step 18 of epoch 1"),
        (history, 1, lambda: fill_disk(history), "epoch 1"),
    ]:
        with pytest.raises(WriteError) as ended:
            train(options, [Seen(step, act)])
        sentence = str(ended.value)
        assert sentence.startswith(f"{path} can't be written: No space left on device; "), sentence
        assert f"the state after {kept} in {state} is intact, and the same command goes on there" in sentence
    train(options)
    assert_ended_alike(options.run.output, base.run.output)


def test_what_a_job_beside_the_main_thread_raises_is_not_lost():
    beside, going = background.Background(), threading.Event()

    def fail():
        going.wait()
        raise OSError("full")

    beside.start(fail)
    beside.check()  # not yet
    going.set()
    with pytest.raises(OSError, match="full"):
        beside.wait()
    beside.wait()  # it is told once
    beside.start(fail)
    with pytest.raises(OSError, match="full"):
        beside.start(lambda: None)


def test_numbers_of_other_devices_are_added_up():
    totals = Totals(tf.distribute.get_strategy(), {"mae": keras.metrics.MeanAbsoluteError()})
    totals.loss.update_state(2.0)
    totals.metrics["mae"].update_state([1.0], [4.0])
    assert totals.rows() == [[2.0, 1.0, 3.0, 1.0]]
    totals.restore([[3.0, 1, 5, 2], [9.0, 3, 6, 2], [0.0, 0, 0, 0]])
    assert totals.floats() == {"loss": 3.0, "mae": 2.75}


def wait_for(path, changes, running):
    """Waits until the file at `path` was replaced so many times."""
    until, seen = time.monotonic() + 300, None
    for _ in range(changes + 1):
        while running.is_alive() and time.monotonic() < until:
            now = path.stat().st_mtime_ns if path.exists() else 0
            if now != seen:
                seen = now
                break
            time.sleep(0.002)


def test_a_run_killed_at_random_moments_ends_as_if_it_never_was(base, tmp_path):
    base = base.replace(epochs=KILLS + 2, output=str(tmp_path / "whole"))
    options = base.replace(save_every=3, output=str(tmp_path / "run"))
    train(base)
    processes = multiprocessing.get_context("forkserver")  # in which all is imported once
    processes.set_forkserver_preload(["kit.killed"])
    state, log, moments = Path(options.run.output, "state", "latest.npz"), str(tmp_path / "log"), []
    for _ in range(KILLS):
        moments.append((random.randint(1, 7), random.uniform(0, 0.1)))  # an epoch has 7 states
        running = processes.Process(target=slow_run, args=(options, log))
        running.start()
        wait_for(state, moments[-1][0], running)
        time.sleep(moments[-1][1])  # which may be within writing, measuring, or keeping the best model
        running.kill()
        running.join()
        assert running.exitcode == -signal.SIGKILL, Path(log).read_text()
    assert not Path(options.run.output, "result.json").exists()
    train(options)
    assert_ended_alike(options.run.output, base.run.output, f"killed so many states and s after each start: {moments}")


def test_a_run_on_several_devices_terminated_within_an_epoch_ends_as_if_it_never_was(base, tmp_path):
    options = SMOKE.replace(
        strategy="mirrored", save_every=7, model_options=CHANCE, ema=0.9, data_dir=base.data.data_dir
    )
    whole, terminated = (options.replace(output=str(tmp_path / name)) for name in ("whole", "terminated"))
    running = multiprocessing.get_context("spawn").Process(target=whole_and_terminated, args=(whole, terminated))
    running.start()
    running.join()
    assert running.exitcode == 0
    assert result_of(whole.run.output)["devices"] == ["CPU:0", "CPU:1"]
    assert_ended_alike(terminated.run.output, whole.run.output)
