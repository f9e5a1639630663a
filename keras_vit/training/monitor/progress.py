"""Shows how far a training has come."""

import datetime
import sys
import time
from collections.abc import Sequence

import keras
from rich import console, progress, table, text

from keras_vit.training.context import Training
from keras_vit.training.options import chosen
from keras_vit.training.task import Monitor

LINES = 20  # that a whole run prints where there is no terminal
PAUSE = 0.1  # seconds between two looks at the figures: reading them takes time from short steps


def showing(training: Training) -> "ShowProgress":
    """Returns the ShowProgress of a training, wherever it stands."""
    optim, progress = training.options.optim, training.progress
    monitor = training.options.task.monitor
    return ShowProgress(optim.epochs, training.steps, chosen(optim.batch_size), monitor, progress.rows, progress.step)


class ShowProgress(keras.callbacks.Callback):
    """A bar over the whole run on a terminal, else a line every few epochs.

    `epochs` of `steps` steps of `batch` images are shown; `rows` are those of the epochs done before, and `step` of the
    next one are done too. Both show the loss, the number that `monitor` names, the learning rate, images per second and
    the time left.
    """

    def __init__(
        self,
        epochs: int,
        steps: int,
        batch: int,
        monitor: Monitor,
        rows: Sequence[dict[str, float]] = (),
        step: int = 0,
    ) -> None:
        super().__init__()
        self.epochs, self.steps, self.batch, self.monitor = epochs, steps, batch, monitor
        self._before = len(rows)  # epochs done
        self._done = step  # in the epoch under way, before the process began
        self._pace = Pace(epochs, steps)
        self.value = rows[-1][monitor.name] if rows else None
        self.console = console.Console(file=sys.stdout)
        self.bar = None

    def on_train_begin(self, logs=None):
        self._shown = -PAUSE
        if self.console.is_terminal:
            bar = progress.BarColumn(bar_width=None, table_column=table.Column(ratio=1))  # what the figures leave
            columns = (bar, _Figures(), progress.TimeRemainingColumn())
            # the time left counts the pauses for validation only if it looks back further than one of them
            options = {"console": self.console, "expand": True, "speed_estimate_period": 600}
            self.bar = progress.Progress(*columns, **options)
            total = self.epochs * self.steps
            self.task = self.bar.add_task(
                "", total=total, completed=self._before * self.steps + self._done, figures="starting"
            )
            self.bar.start()

    def on_epoch_begin(self, epoch, logs=None):
        self._epoch, self._epoch_begin, self._speed = epoch, time.monotonic(), 0.0
        self._pace.begin(self._done, self._epoch_begin)

    def on_train_batch_end(self, batch, logs=None):
        now = time.monotonic()
        self._pace.stepped(batch + 1, now)
        self._speed = (batch + 1 - self._done) * self.batch / (now - self._epoch_begin)
        if self.bar and (now - self._shown >= PAUSE or batch + 1 == self.steps):
            self._shown = now
            done = self._epoch * self.steps + batch + 1
            self.bar.update(self.task, completed=done, figures=self._figures(float(logs["loss"]), "val"))

    def on_epoch_end(self, epoch, logs=None):
        self.value, self._done = float(logs[self.monitor.name]), 0
        left = self._pace.left(epoch + 1, time.monotonic())
        every = -(-self.epochs // LINES)
        if self.bar:
            self.bar.update(self.task, figures=self._figures(float(logs["loss"]), "val"))
        elif epoch + 1 in (1, self.epochs) or (epoch + 1) % every == 0:
            figures = self._figures(float(logs["loss"]), self.monitor.title)
            told = "" if left is None else f"  {datetime.timedelta(seconds=round(left))} left"
            print(figures + told, flush=True)

    def on_train_end(self, logs=None):
        self.close()

    def close(self) -> None:
        """Gives the terminal back; also to be called when training was interrupted."""
        if self.bar:
            self.bar.stop()

    def _figures(self, loss, title):
        held_out = "" if self.value is None else f"  {title} {self.monitor.format(self.value)}"
        rate = float(self.model.optimizer.learning_rate)
        return (
            f"epoch {self._epoch + 1}/{self.epochs}  loss {loss:.4f}{held_out}  lr {rate:.1e}  "
            f"{self._speed:,.0f} images/s"
        )


class Pace:
    """Estimates the time that is left of `epochs` of `steps` from what this process has done of them.

    A process that goes on may have done little of its first epoch, and all of the compiling: both must not count as
    what an epoch takes. So steps and what follows them, validation and saving, are measured apart, and the first step
    counts only as long as there is no other.
    """

    def __init__(self, epochs: int, steps: int) -> None:
        self.epochs, self.steps = epochs, steps
        self._stepped = self._seconds = 0.0  # all steps that were measured
        self._first: float | None = None  # seconds a step of those that compile
        self._step, self._now = 0, 0.0

    def begin(self, step: int, now: float) -> None:
        """Notes at which `step` an epoch begins, and when."""
        self._step, self._now = step, now

    def stepped(self, step: int, now: float) -> None:
        """Notes that `step` steps of the epoch are done."""
        count, took = step - self._step, now - self._now
        if self._first is None:
            self._first = took / count
        else:
            self._stepped, self._seconds = self._stepped + count, self._seconds + took
        self._step, self._now = step, now

    def left(self, epoch: int, now: float) -> float | None:
        """Returns the seconds that are left when `epoch` epochs are done; None where no step was measured yet."""
        if epoch == self.epochs:
            return 0.0
        each = self._seconds / self._stepped if self._stepped else self._first
        return None if each is None else (self.epochs - epoch) * (self.steps * each + now - self._now)


class _Figures(progress.ProgressColumn):
    def render(self, task):
        return text.Text(task.fields["figures"], no_wrap=True)  # 80 columns hold all
