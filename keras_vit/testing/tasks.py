"""The contract that every task keeps: our own suite runs it over ours, the author of a task over theirs."""

import os
import pickle
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import keras
import numpy as np

from keras_vit.training.options import Options
from keras_vit.training.train import Result, train


def check_task(options: Options) -> None:
    """Trains `options` whole, killed and on two devices, and exports; AssertionError says which promise is broken.

    `options` are those of a training of some seconds, of 2 epochs or more of 4 steps or more, with all chance that the
    task knows, such as dropout and augmentation. The task lies in a module that another process can import.
    """
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        result = check_trains(options, root)
        check_resumes(options, root)
        check_devices(options, root)
        check_exports(result.model, root)


def check_trains(options: Options, root: Path) -> Result:
    """The loss falls, each epoch has its row with the number of the monitor, and the best model loads."""
    result = train(_in(options, root / "whole"))
    monitor, rows = options.task.monitor, result.rows
    assert [row["epoch"] for row in rows] == list(range(1, options.optim.epochs + 1)), rows
    assert all(np.isfinite(list(row.values())).all() for row in rows), f"numbers are not finite: {rows}"
    assert rows[-1]["loss"] < rows[0]["loss"], f"the loss doesn't fall: {[row['loss'] for row in rows]}"
    assert monitor.name in rows[0], f"the monitor {monitor.name!r} is none of {', '.join(rows[0])}"
    assert result.best == monitor.best(rows), f"{result.best} is not the best of {rows} by {monitor}"
    loaded = keras.saving.load_model(result.folder.best)
    for ours, theirs in zip(loaded.get_weights(), result.model.get_weights(), strict=True):
        np.testing.assert_array_equal(ours, theirs, "best.keras is not the model that was returned")
    return result


def check_resumes(options: Options, root: Path) -> None:
    """A training killed within its second epoch ends, started again, with the same bits."""
    killed = _killed(options, root / "killed")
    train(killed)
    _assert_ended_alike(root / "killed", root / "whole", "a killed training ends otherwise")


def check_devices(options: Options, root: Path) -> None:
    """Two devices train to about the same loss, and resume to the same bits."""
    pair = options.replace(strategy="mirrored")
    killed = _killed(pair, root / "two_killed", devices=2)
    _elsewhere([_in(pair, root / "two"), killed], devices=2)
    _assert_ended_alike(root / "two_killed", root / "two", "a training killed on two devices ends otherwise")
    one, two = (_losses(root / name)[0] for name in ("whole", "two"))
    assert abs(two - one) <= 0.2 * abs(one), f"the first epoch's loss is {one} on one device and {two} on two"


def check_exports(model: keras.Model, root: Path) -> None:
    """The kept model is exported, and the SavedModel computes what it does."""
    import tensorflow as tf

    from keras_vit.serving import export

    served = tf.saved_model.load(str(export(model, root / "export" / "1")))
    images = np.random.default_rng(0).normal(size=(3, *model.input_shape[1:])).astype("float32")
    got = served.signatures["serving_default"](images=tf.constant(images))
    outputs = model(images)
    for name, expected in (outputs if isinstance(outputs, dict) else {"logits": outputs}).items():
        np.testing.assert_allclose(
            got[name], expected, rtol=1e-4, atol=1e-4, err_msg=f"the SavedModel's {name} differs"
        )


class KillAt(keras.callbacks.Callback):
    """Kills the process, as no handler can prevent, before a step of an epoch, both from 0."""

    def __init__(self, epoch: int, step: int):
        super().__init__()
        self.moment, self.epoch = (epoch, step), 0

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        self.epoch = epoch

    def on_train_batch_begin(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        if (self.epoch, batch) == self.moment:
            os.kill(os.getpid(), signal.SIGKILL)


def run_pickled(path: str | os.PathLike) -> None:
    """Trains what `_elsewhere` has written to `path`; called in another process."""
    trainings, devices, callbacks = pickle.loads(Path(path).read_bytes())
    if devices > 1:
        import tensorflow as tf

        cpu = tf.config.list_physical_devices("CPU")[0]
        tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * devices)
    for options in trainings:
        train(options, callbacks)


def _in(options, folder):
    return options.replace(output=str(folder), save_every=1, fresh=False)


def _killed(options, folder, devices=1):
    """Starts a training in another process, which is killed within its second epoch; returns its options."""
    options = _in(options, folder)
    status = _elsewhere([options], devices, [KillAt(1, 3)], check=False)
    assert status == -signal.SIGKILL, f"the process to be killed ended with status {status}"
    assert not (folder / "result.json").exists() and (folder / "state" / "latest.npz").exists()
    return options


def _elsewhere(trainings, devices=1, callbacks=(), check=True):
    """Trains one after the other in another process and returns its status."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "training.pickle")
        path.write_bytes(pickle.dumps((trainings, devices, callbacks)))
        program = f"import sys; sys.path[:] = {sys.path!r}; from keras_vit.testing.tasks import run_pickled"
        done = subprocess.run(
            [sys.executable, "-c", f"{program}; run_pickled({str(path)!r})"],
            capture_output=True,
            text=True,
            check=False,
        )
    assert not check or done.returncode == 0, done.stdout + done.stderr
    return done.returncode


def _assert_ended_alike(ours, theirs, said):
    states = [dict(np.load(each / "state" / "latest.npz")) for each in (ours, theirs)]
    assert states[0].keys() == states[1].keys(), said
    for key in states[0].keys() - {"progress"}:
        np.testing.assert_array_equal(states[0][key], states[1][key], f"{said}: {key}")
    assert (ours / "history.csv").read_bytes() == (theirs / "history.csv").read_bytes(), said


def _losses(folder):
    lines = (folder / "history.csv").read_text(encoding="utf-8").splitlines()
    return [float(line.split(",")[lines[0].split(",").index("loss")]) for line in lines[1:]]
