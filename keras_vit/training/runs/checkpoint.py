"""Saves the state of a training while it goes on, so that no end of the process loses more than a few steps."""

import contextlib
import math
import time
from collections.abc import Iterator

from keras_vit.files import WriteError, replacing
from keras_vit.nested import named
from keras_vit.training.context import Training
from keras_vit.training.devices import cluster
from keras_vit.training.devices.preemption import Termination
from keras_vit.training.errors import DivergedError
from keras_vit.training.optim.ema import averaged
from keras_vit.training.runs import state
from keras_vit.training.runs.background import Background


class Checkpoint:
    """Saves weights, optimizer and progress of a Training to its folder every few steps and at the end of each epoch.

    Training waits for a copy in memory only; a thread writes it. If `termination` was asked for, the state is saved
    and the process ends. The best model, without its optimizer, is written before the state that names it, so that a
    kill at any moment leaves a state and the best model it names. Of several workers the chief alone writes the state.
    """

    def __init__(self, training: Training, termination: Termination) -> None:
        self.training, self.termination = training, termination
        self.folder, self.progress, self.learner = training.folder, training.progress, training.learner
        self.every, self.writes = training.options.run.save_every, cluster.is_chief(training.devices)
        self.saved = self.progress.moment() if self.folder.has_state() else None
        self._named = self._best_epochs()  # of the state that was saved last
        self._writing = Background()
        self._mark = time.monotonic()

    def check(self, loss: float, name: str, where: str) -> None:
        """Raises DivergedError if `loss` is not finite, before anything is saved."""
        if not math.isfinite(loss):
            raise self._diverged(f"the {name} ({loss})", where)

    def after_steps(self, step: int, executed: int) -> None:
        """Saves the state if one is due after `step` steps of the epoch, the last `executed` of them at once."""
        self._writing.check()
        ending = self.termination.asked()
        if ending or step % self.every < executed:
            self._save_within_epoch(step)
        if ending:
            self._end()

    def after_interrupted_evaluation(self, steps: int) -> None:
        """Saves the state of an epoch whose evaluation was cut short, and ends the process."""
        self._save_within_epoch(steps)
        self._end()

    def after_epoch(self, row: dict[str, float]) -> None:
        """Saves the state at the end of an epoch, and the model if it is the best so far."""
        progress, monitor = self.progress, self.training.options.task.monitor
        progress.epochs, progress.step, progress.metrics = int(row["epoch"]), 0, []
        progress.rows.append(row)
        improved = progress.best is None or monitor.rank(row) < monitor.rank(progress.best)
        if improved:
            progress.best = row
        self._save(improved)
        if self.termination.asked():
            self._end()

    @contextlib.contextmanager
    def finishing(self) -> Iterator[None]:
        """Waits at the end of the block for all that is being written; a WriteError says what is kept."""
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

    def _save_within_epoch(self, step):
        self.progress.step, self.progress.metrics = step, self.training.totals.rows()
        self._save()

    def _save(self, improved=False):
        """Starts to write the state; and the best model, if the epoch that has ended `improved` on it."""
        progress, folder, now = self.progress, self.folder, time.monotonic()
        progress.seconds, self._mark = progress.seconds + now - self._mark, now
        progress.skipped = sorted({*progress.skipped, *self.training.source.skipped})
        moment, rows, best, within = progress.moment(), list(progress.rows), progress.best, progress.step > 0
        arrays = state.snapshot(self.learner.model, self.learner.optimizer, progress)
        if not state.is_finite(arrays):
            raise self._diverged("a weight", f"after {moment}")
        self._writing.wait()
        before, self._named = self._named, self._best_epochs()
        if improved:
            with replacing(folder.best_of(progress.epochs)) as partial, averaged(self.learner.optimizer):
                self.learner.finished().save(partial)

        def write():
            if self.writes:
                state.save(folder.state, arrays, folder.earlier)
                self.saved = moment
            if improved:
                folder.publish_best(best["epoch"])
                folder.drop_models(but={best["epoch"], *before})  # those that the two states name
            if not within:
                folder.write_history(rows)

        self._writing.start(write)

    def _best_epochs(self):
        best = self.progress.best
        return set() if best is None else {best["epoch"]}

    def _end(self):
        self._writing.wait()
        self.termination.end(
            f"terminated; the state after {self.progress.moment()} is saved in {self.folder.state}; "
            "the same command goes on"
        )

    def _diverged(self, what, where):
        narrow = any("bfloat16" in layer.dtype_policy.name for layer in self.learner.network.layers)
        wider = f", or {named('precision')} float32," if narrow else ""
        state_file = self.folder.state
        kept = f"the last good state lies in {state_file}" if self.folder.has_state() else "nothing was saved before"
        return DivergedError(
            f"{what} is no longer a finite number {where}, at learning rate "
            f"{float(self.learner.optimizer.learning_rate):.3g}; a lower {named('learning_rate')} or more "
            f"{named('warmup_epochs')}{wider} would help, with another {named('output')} or "
            f"{named('fresh')}; {kept}"
        )
