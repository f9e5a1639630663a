"""A training stops where its numbers have lost their meaning, and is silent about what means nothing."""

import contextlib
import math
import warnings

import keras


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
            raise diverged(f"the loss ({loss})", self.model, where, self.folder)

    def on_epoch_end(self, epoch, logs=None):
        if not math.isfinite(loss := float(logs["val_loss"])):
            where = f"at the end of epoch {epoch + 1}"
            raise diverged(f"the validation loss ({loss})", self.model, where, self.folder)


def diverged(what, model, where, folder):
    """Returns the DivergedError that says `what` is no number `where`, and what could help."""
    narrow = any("bfloat16" in layer.dtype_policy.name for layer in model.layers)
    kept = f"the last good state lies in {folder.state}" if folder.state.exists() else "nothing was saved before"
    return DivergedError(
        f"{what} is no longer a finite number {where}, at learning rate "
        f"{float(model.optimizer.learning_rate):.3g}; a lower learning_rate or more warmup_epochs"
        f"{', or precision float32,' if narrow else ''} would help, with another output or fresh; {kept}"
    )
