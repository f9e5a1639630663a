"""What happens beside a training: its state is kept, and it stops where numbers have lost their meaning."""

import contextlib
import math
import time
import warnings

import keras

from keras_vit.training import state
from keras_vit.training.averaging import averaged
from keras_vit.training.files import replacing


class DivergedError(ArithmeticError):
    """The loss or a weight is no finite number any more; the message says where and what could help."""


@contextlib.contextmanager
def quietly():
    """Silences the warning of Keras at the end of data whose number of batches it could not know.

    It can't be known, since images that can't be read are skipped.
    """
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Your input ran out of data")
        yield


def alone(tensors):
    """Returns the only one of `tensors` itself, so that a model gives a tensor and no list of one."""
    return tensors[0] if len(tensors) == 1 else tensors


class Checkpoint(keras.callbacks.Callback):
    """Keeps everything that `progress`, the weights and the optimizer are after each epoch in `folder`.

    `kept()` returns the model to keep as the best, without the optimizer, which would treble its file.

    The best model is the one of the highest validation accuracy; among equals that of the lowest loss. It is
    written before the state that names it, so a kill at any moment leaves a state and the best model it names.
    """

    def __init__(self, folder, progress, source, kept):
        super().__init__()
        self.folder = folder
        self.progress = progress
        self.source = source
        self.kept = kept

    def on_train_begin(self, logs=None):
        self._mark = time.monotonic()

    def on_epoch_end(self, epoch, logs=None):
        if not state.is_finite(self.model):
            raise DivergedError(_diverged("a weight", self.model, f"at the end of epoch {epoch + 1}", self.folder))
        names = ("loss", "accuracy", "val_loss", "val_accuracy")
        row = {"epoch": epoch + 1, **{name: float(logs[name]) for name in names}}
        row["learning_rate"] = float(self.model.optimizer.learning_rate)
        self._record(row)
        improved = self.progress.best is row
        if improved:
            self._save_best(self.folder.best_of(epoch + 1))
        state.save(self.folder.state, self.model, self.progress)
        if improved:
            self.folder.publish_best(epoch + 1)
        self.folder.write_history(self.progress.rows)

    def _record(self, row):
        progress, now = self.progress, time.monotonic()
        progress.epochs = row["epoch"]
        progress.rows.append(row)
        progress.seconds, self._mark = progress.seconds + now - self._mark, now
        progress.skipped = sorted({*progress.skipped, *self.source.skipped})
        if progress.best is None or _merit(row) > _merit(progress.best):
            progress.best = row

    def _save_best(self, path):
        with replacing(path) as partial, averaged(self.model):
            self.kept().save(partial)


class StopOnNaN(keras.callbacks.Callback):
    """Raises DivergedError at the first step whose loss is not finite, before anything is saved."""

    def __init__(self, folder):
        super().__init__()
        self.folder = folder

    def on_epoch_begin(self, epoch, logs=None):
        self._epoch = epoch

    def on_train_batch_end(self, batch, logs=None):
        if not math.isfinite(loss := float(logs["loss"])):
            where = f"in epoch {self._epoch + 1}, step {batch + 1}"
            raise DivergedError(_diverged(f"the loss ({loss})", self.model, where, self.folder))

    def on_epoch_end(self, epoch, logs=None):
        if not math.isfinite(loss := float(logs["val_loss"])):
            where = f"at the end of epoch {epoch + 1}"
            raise DivergedError(_diverged(f"the validation loss ({loss})", self.model, where, self.folder))


def _merit(row):
    return row["val_accuracy"], -row["val_loss"]


def _diverged(what, model, where, folder):
    narrow = any("bfloat16" in layer.dtype_policy.name for layer in model.layers)
    kept = f"the last good state lies in {folder.state}" if folder.state.exists() else "no epoch was completed"
    return (
        f"{what} is no longer a finite number {where}, at learning rate "
        f"{float(model.optimizer.learning_rate):.3g}; a lower learning_rate or more warmup_epochs"
        f"{', or precision float32,' if narrow else ''} would help, with another output or fresh; {kept}"
    )
