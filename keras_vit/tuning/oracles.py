"""The search algorithms of keras_tuner, made to survive kills, lost workers and failing trials."""

import contextlib
import math
import threading
import time
import warnings
from pathlib import Path

from keras_vit.backend import load
from keras_vit.files import write_json

kt = load("keras_tuner")
OBJECTIVE = "val_accuracy"
EPOCHS = "tuner/epochs"  # what Hyperband calls how long it trains


class Steady:
    """What all three algorithms get beside their own way to propose values.

    The first trial is the default of every parameter. Files are written whole or not at all. A trial that
    failed counts as the worst one: it would else be proposed again and again, and starve Hyperband's brackets.
    A worker that says nothing for `lease` seconds counts as lost, and its trial waits for another; no worker
    is sent home while a trial is under way that might come to wait. `ended` is called with every
    ended trial and how many have ended.
    """

    def __init__(self, *, lease, ended, serving=False, **options):
        super().__init__(
            objective=kt.Objective(OBJECTIVE, "max"),
            tune_new_entries=False,
            allow_new_entries=False,
            max_consecutive_failed_trials=math.inf,
            **options,
        )
        self.verbose = 0
        self.lease = lease
        self.ended = ended
        self.serving = serving
        self._heard = {}  # tuner id -> when it last said something

    @kt.synchronized
    def create_trial(self, tuner_id):
        self._heard[tuner_id] = time.monotonic()
        trial = super().create_trial(tuner_id)
        if trial.status == "STOPPED" and self.ongoing_trials:
            self.tuner_ids.add(tuner_id)
            trial.status = "IDLE"
        return trial

    def get_trial(self, trial_id):
        """Returns the trial; whoever asks for it is alive."""
        for tuner_id, trial in list(self.ongoing_trials.items()):
            if trial.trial_id == trial_id:
                self._heard[tuner_id] = time.monotonic()
        return super().get_trial(trial_id)

    def end_trial(self, trial):
        if self._end(trial):
            self.ended(self.trials[trial.trial_id], len(self.end_order))

    @kt.synchronized
    def _end(self, trial):
        """Tells whether this ended the trial: its worker may have been taken for lost, and another have ended it."""
        before = trial.trial_id in self.end_order
        if not before:
            super().end_trial(trial)
        self._drop([trial.trial_id])
        self.save()
        return not before

    def _drop(self, trial_ids):
        """Lets nobody train these trials any more."""
        self.ongoing_trials = {key: each for key, each in self.ongoing_trials.items() if each.trial_id not in trial_ids}
        self._retry_queue = [each for each in self._retry_queue if each not in trial_ids]

    def populate_space(self, trial_id):
        if not self.trials:
            return {"status": "RUNNING", "values": self._default_values()}
        with self._failures_as_worst(), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # scikit-learn's, on a kernel at the end of its bounds
            found = super().populate_space(trial_id)
        values = found.get("values") or {}
        return found | {"values": {name: getattr(each, "item", lambda x=each: x)() for name, each in values.items()}}

    def _default_values(self):
        return {each.name: each.default for each in self.hyperparameters.space}

    @contextlib.contextmanager
    def _failures_as_worst(self):
        failed = [each for each in self.trials.values() if each.status == "FAILED"]
        worst = min((each.score for each in self.trials.values() if each.status == "COMPLETED"), default=0.0)
        for trial in failed:
            trial.status, trial.score = "COMPLETED", worst
        try:
            yield
        finally:
            for trial in failed:
                trial.status, trial.score = "FAILED", None

    @kt.synchronized
    def release_silent(self):
        """Takes the trials of workers that were silent for too long, and returns the ids of these workers."""
        now = time.monotonic()
        for tuner_id in self.ongoing_trials:  # those from before a restart of the chief have yet to say something
            self._heard.setdefault(tuner_id, now)
        silent = {*self.ongoing_trials, *self.tuner_ids}
        silent = sorted(each for each in silent if now - self._heard[each] > self.lease)
        for tuner_id in silent:
            self.tuner_ids.discard(tuner_id)
            if trial := self.ongoing_trials.pop(tuner_id, None):
                self._retry_queue.append(trial.trial_id)
        if silent:
            self.save()
        return silent

    @contextlib.contextmanager
    def watching(self, lost):
        """Looks every second for workers that are lost, and calls `lost` with the id of each."""
        over = threading.Event()

        def watch():
            while not over.wait(1):
                for tuner_id in self.release_silent():
                    lost(tuner_id)

        threading.Thread(target=watch, daemon=True).start()
        try:
            yield
        finally:
            over.set()

    def reload(self):
        """Goes on from the files; trials under way go to whoever asks, or stay with workers that still train them."""
        super().reload()
        # in their order, on which sums depend; without one of which a kill kept the search from knowing
        self.trials = {each: self.trials[each] for each in self.start_order}
        if self.serving:
            self.ongoing_trials = {key: self.trials[each] for key, each in self._taken.items()}
            self._retry_queue = [each for each in self._retry_queue if each not in self._taken.values()]
        self._drop(self.end_order)

    def set_state(self, state):
        super().set_state(state)
        self._taken = dict(state["ongoing_trials"])

    def save(self):
        write_json(self._get_oracle_fname(), self.get_state())

    def _save_trial(self, trial):
        write_json(Path(self._get_trial_dir(trial.trial_id), "trial.json"), trial.get_state())


class RandomSearch(Steady, kt.oracles.RandomSearchOracle):
    """Draws every trial at random (Bergstra & Bengio 2012)."""


class BayesianOptimization(Steady, kt.oracles.BayesianOptimizationOracle):
    """Proposes what a Gaussian process holds for promising (Snoek et al. 2012, arXiv 1206.2944)."""

    def populate_space(self, trial_id):
        # of the trial, not of the process, so that a search that was killed goes on as it would have
        self._random_state.seed(self.seed + len(self.trials))
        found = super().populate_space(trial_id)
        if found["status"] == "RUNNING" and self._duplicate(found["values"]):
            found["values"] = self._random_values() or found["values"]
        return found


class Hyperband(Steady, kt.oracles.HyperbandOracle):
    """Trains many for few epochs and the best of them for more (Li et al. 2018, arXiv 1603.06560)."""

    def _default_values(self):
        """The default is trained in full, outside the brackets, so that it can be compared with any winner."""
        whole = {EPOCHS: self.max_epochs, "tuner/initial_epoch": 0, "tuner/bracket": 0, "tuner/round": 0}
        return super()._default_values() | whole


def oracle(algorithm, parameters, trials, epochs, seed, **options):
    """Returns the oracle of the search called `algorithm`: "random", "bayesian" or "hyperband".

    Hyperband counts its trials from `epochs`, which are those of its longest; the others make `trials`.
    """
    shared = {"hyperparameters": parameters, "seed": seed + 1, **options}  # 0 would be drawn at random
    if algorithm == "hyperband":
        return Hyperband(max_epochs=epochs, **shared)
    if algorithm == "random":
        return RandomSearch(max_trials=trials, **shared)
    if algorithm == "bayesian":
        return BayesianOptimization(max_trials=trials, num_initial_points=max(3, trials // 3), **shared)
    raise ValueError(f"no search {algorithm!r}; it is one of random, bayesian, hyperband")
