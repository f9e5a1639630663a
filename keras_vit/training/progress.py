"""Shows how far a training has come."""

import sys
import time

import keras
from rich import console, progress, text

LINES = 20  # that a whole run prints where there is no terminal


class ShowProgress(keras.callbacks.Callback):
    """A bar over the whole run on a terminal, else a line every few epochs.

    `epochs` of `steps` steps of `batch` images are shown; `rows` are those of the epochs done before, and `step` of the
    next one are done too.
    """

    def __init__(self, epochs, steps, batch, rows=(), step=0):
        super().__init__()
        self.epochs, self.steps, self.batch = epochs, steps, batch
        self._done = step  # in the epoch under way, before the process began
        self.accuracy = rows[-1]["val_accuracy"] if rows else None
        self.console = console.Console(file=sys.stdout)
        self.bar = None

    def on_train_begin(self, logs=None):
        self._begin = time.monotonic()
        if self.console.is_terminal:
            columns = (progress.BarColumn(bar_width=10), _Figures(), progress.TimeRemainingColumn())
            self.bar = progress.Progress(*columns, console=self.console)
            self.task = self.bar.add_task("", total=self.epochs * self.steps, figures="starting")
            self.bar.start()

    def on_epoch_begin(self, epoch, logs=None):
        self._epoch, self._epoch_begin, self._speed = epoch, time.monotonic(), 0.0
        self._first = getattr(self, "_first", epoch + self._done / self.steps)

    def on_train_batch_end(self, batch, logs=None):
        self._speed = (batch + 1 - self._done) * self.batch / (time.monotonic() - self._epoch_begin)
        if self.bar:
            done = self._epoch * self.steps + batch + 1
            self.bar.update(self.task, completed=done, figures=self._figures(float(logs["loss"])))

    def on_epoch_end(self, epoch, logs=None):
        self.accuracy, self._done = float(logs["val_accuracy"]), 0
        every = -(-self.epochs // LINES)
        if not self.bar and (epoch + 1 in (1, self.epochs) or (epoch + 1) % every == 0):
            took = time.monotonic() - self._begin
            left = took / max(epoch + 1 - self._first, 1 / self.steps) * (self.epochs - epoch - 1)
            print(f"{self._figures(float(logs['loss']))}  {left:.0f} s left", flush=True)

    def on_train_end(self, logs=None):
        self.close()

    def close(self):
        """Gives the terminal back; also to be called when training was interrupted."""
        if self.bar:
            self.bar.stop()

    def _figures(self, loss):
        held_out = "" if self.accuracy is None else f"  val accuracy {self.accuracy:.2%}"
        return f"epoch {self._epoch + 1}/{self.epochs}  loss {loss:.4f}{held_out}  {self._speed:,.0f} images/s"


class _Figures(progress.ProgressColumn):
    def render(self, task):
        return text.Text(task.fields["figures"], no_wrap=True)  # 80 columns hold all
