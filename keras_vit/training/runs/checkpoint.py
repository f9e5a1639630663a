"""Keeps the state of a training while it goes on, so that no end of the process loses more than a few steps."""

import contextlib
import functools
import time

import keras

from keras_vit.files import WriteError, replacing
from keras_vit.training.averaging import averaged
from keras_vit.training.callbacks import diverged
from keras_vit.training.devices import cluster
from keras_vit.training.resuming import metrics_reader
from keras_vit.training.runs import state
from keras_vit.training.runs.background import Background


class Checkpoint(keras.callbacks.Callback):
    """Keeps all that `progress`, weights and optimizer are in `folder`: every `every` steps and at the end of an epoch.

    Training waits for a copy in memory alone; a thread writes it. Where `termination` asks for it the state is saved
    and the process ends. `kept()` returns the model to keep as the best, without the optimizer, which would treble
    its file.

    The best model is the one of the highest validation accuracy; among equals that of the lowest loss. It is
    written before the state that names it, so a kill at any moment leaves a state and the best model it names.
    """

    def __init__(self, folder, progress, source, kept, every, termination):
        super().__init__()
        self.folder = folder
        self.progress = progress
        self.source = source
        self.kept = kept
        self.every = every
        self.termination = termination
        self.saved = _moment(progress) if folder.state.exists() else None
        self._writing = Background()
        self._cut_short = False

    def on_train_begin(self, logs=None):
        self._mark = time.monotonic()
        self._writes = cluster.is_chief(self.model.distribute_strategy)

    def on_train_batch_end(self, batch, logs=None):
        self._writing.check()
        step = batch + 1
        ending = self.termination.asked()
        if ending or step % self.every < self.model.steps_per_execution:
            self._save_within_epoch(step, self._read_metrics())
        if ending:
            self._end()

    def on_test_begin(self, logs=None):
        self._metrics = self._read_metrics()  # validation uses the same metrics

    def on_test_batch_end(self, batch, logs=None):
        if not self._cut_short and self.termination.asked():
            self._cut_short = self.model.stop_evaluating = True

    def on_epoch_end(self, epoch, logs=None):
        if self._cut_short:
            self._save_within_epoch(self.params["steps"], self._metrics)
            self._end()
        self._save_epoch(epoch + 1, logs)
        if self.termination.asked():
            self._end()

    @contextlib.contextmanager
    def finishing(self):
        """Within it a training writes all that it began to write, or ends with a WriteError that tells what is kept."""
        try:
            try:
                yield
            finally:
                self._writing.wait()
        except WriteError as error:
            kept = "nothing was saved before"
            if self.saved:
                kept = (
                    f"the state after {self.saved} in {self.folder.state} is intact, and the same command goes on there"
                )
            raise WriteError(f"{error}; {kept}") from error

    @functools.cached_property
    def _read_metrics(self):
        return metrics_reader(self.model)

    def _save_within_epoch(self, step, metrics):
        self.progress.step, self.progress.metrics = step, metrics
        self._save()

    def _save_epoch(self, epoch, logs):
        names = ("loss", "accuracy", "val_loss", "val_accuracy")
        row = {"epoch": epoch, **{name: float(logs[name]) for name in names}}
        row["learning_rate"] = float(self.model.optimizer.learning_rate)
        progress = self.progress
        progress.epochs, progress.step, progress.metrics = epoch, 0, []
        progress.rows.append(row)
        improved = progress.best is None or _merit(row) > _merit(progress.best)
        if improved:
            progress.best = row
        self._save(improved)

    def _save(self, improved=False):
        """Starts to write the state; and the best model, if the epoch that has ended `improved` on it."""
        progress, folder, now = self.progress, self.folder, time.monotonic()
        progress.seconds, self._mark = progress.seconds + now - self._mark, now
        progress.skipped = sorted({*progress.skipped, *self.source.skipped})
        moment, rows, best, within = _moment(progress), list(progress.rows), progress.best, progress.step > 0
        arrays = state.snapshot(self.model, progress)
        if not state.is_finite(arrays):
            raise diverged("a weight", self.model, f"after {moment}", folder)
        self._writing.wait()
        if improved:
            self._save_best(folder.best_of(progress.epochs))

        def write():
            if self._writes:
                state.save(folder.state, arrays)
                self.saved = moment
            if improved:
                folder.publish_best(best["epoch"])
            if not within:
                folder.write_history(rows)

        self._writing.start(write)

    def _save_best(self, path):
        with replacing(path) as partial, averaged(self.model):
            self.kept().save(partial)

    def _end(self):
        self._writing.wait()
        self.termination.end(
            f"terminated; the state after {_moment(self.progress)} is saved in {self.folder.state}; "
            "the same command goes on"
        )


def _moment(progress):
    return f"step {progress.step} of epoch {progress.epochs + 1}" if progress.step else f"epoch {progress.epochs}"


def _merit(row):
    return row["val_accuracy"], -row["val_loss"]
