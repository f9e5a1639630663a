"""The search algorithms of keras_tuner, made to begin with the default options and to learn from failed trials."""

import math
import random
import tempfile
import warnings
from typing import Any

from keras_vit.backend import load
from keras_vit.training.task import Monitor

kt = load("tensorboard", "keras_tuner")  # the second asks for the first in the middle of a search only
EPOCHS = "tuner/epochs"  # Hyperband's name for the number of epochs of a trial


class FaultTolerantOracle:
    """Fault tolerance shared by the three search algorithms.

    The first trial has the default of every parameter. A failed trial has an infinitely bad objective, and counts as
    the worst of the others. Without that it would be proposed again and again, and starve Hyperband's brackets.
    """

    recorded = None  # the answer that the next proposal had in an earlier process, {} where there was none
    stateless = False  # whether a proposal follows from the trials alone, and not from the proposals before it

    def populate_space(self, trial_id):
        proposal = {"values": {each.name: each.default for each in self.hyperparameters.space}, "status": "RUNNING"}
        if self.trials and (self.recorded is None or not self.stateless):
            self._score_failures()
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # scikit-learn's, on a kernel at the end of its bounds
                proposal = super().populate_space(trial_id)
        if self.recorded is not None:
            return {"status": "RUNNING" if self.recorded else "IDLE", "values": self.recorded}
        plain = {k: getattr(v, "item", lambda v=v: v)() for k, v in (proposal.get("values") or {}).items()}
        return proposal | {"values": plain}

    def save(self) -> None:
        """Writes nothing: the log of the search has all that can be read again."""

    def _score_failures(self):
        ended = [trial for trial in self.trials.values() if trial.status == "COMPLETED"]
        values = [trial.metrics.get_best_value(self.objective.name) for trial in ended]
        worst = (min if self.objective.direction == "max" else max)(filter(math.isfinite, values), default=0.0)
        for trial, value in zip(ended, values, strict=True):
            trial.score = value if math.isfinite(value) else worst


class RandomSearch(FaultTolerantOracle, kt.oracles.RandomSearchOracle):
    """Draws every trial at random (Bergstra & Bengio 2012)."""


class BayesianOptimization(FaultTolerantOracle, kt.oracles.BayesianOptimizationOracle):
    """Proposes the most promising point of a Gaussian process, a random one where that was tried (arXiv 1206.2944)."""

    stateless = True

    def populate_space(self, trial_id):
        proposal = super().populate_space(trial_id)
        tried = [trial.hyperparameters.values for trial in self.trials.values()]
        rng = random.Random(f"{self.seed} {trial_id}")
        for _ in range(100):  # if all were tried, so is the space
            if self.recorded is not None or proposal["values"] not in tried:
                return proposal
            proposal["values"] = {each.name: each.random_sample(rng.random()) for each in self.hyperparameters.space}
        return {"status": "STOPPED"}


class Hyperband(FaultTolerantOracle, kt.oracles.HyperbandOracle):
    """Trains many for few epochs and the best of them for more (Li et al. 2018, arXiv 1603.06560)."""


class Proposer:
    """Proposes trials by the search "random", "bayesian" or "hyperband", which has `epochs` at most."""

    def __init__(
        self, algorithm: str, parameters: Any, monitor: Monitor, *, trials: int, epochs: int, seed: int
    ) -> None:
        kinds: dict[str, tuple[Any, dict]] = {
            "random": (RandomSearch, {"max_trials": None}),
            "bayesian": (BayesianOptimization, {"max_trials": None, "num_initial_points": max(3, trials // 3)}),
            "hyperband": (Hyperband, {"max_epochs": epochs}),
        }
        if algorithm not in kinds:
            raise ValueError(f"no search {algorithm!r}; it is one of {', '.join(kinds)}")
        self._kind, own = kinds[algorithm]
        fixed = {"tune_new_entries": False, "allow_new_entries": False, "hyperparameters": parameters}
        self._options = own | fixed | {"objective": kt.Objective(monitor.name, monitor.mode)}
        self._seed = seed

    def propose(self, events: list[dict]) -> dict | None:
        """Returns {parameter: value} of the next trial, None where there is none before another has ended.

        The events are those of the search so far. The same events get the same answer, in any process.
        """
        seed, count = self._seed + 1, sum("proposed" in event for event in events)  # 0 would be drawn at random
        if self._kind.stateless:
            seed = random.Random(f"{seed} {count}").randrange(1, 2**31)
        oracle = self._kind(seed=seed, **self._options)
        oracle.verbose = 0
        with tempfile.TemporaryDirectory() as scratch:  # for files that nobody reads
            kt.engine.base_tuner.BaseTuner(oracle=oracle, directory=scratch)  # says where they go
            for event in events:
                if "proposed" in event:
                    _ask(oracle, event["proposed"] or {})
                elif "ended" in event:
                    _tell(oracle, event["ended"], event.get("best"))
            if self._kind.stateless:  # a trial under way counts as the worst; else its neighbour would come beside it
                for number in {*range(len(oracle.trials))} - {event.get("ended") for event in events}:
                    _tell(oracle, number, None)
            values = _ask(oracle)
        oracle.trials.clear()  # keras_tuner never lets an oracle go
        return values


def _ask(oracle, recorded=None):
    oracle.recorded = recorded
    trial = oracle.create_trial(f"tuner {len(oracle.trials)}")
    return trial.hyperparameters.values if trial.status == "RUNNING" else None


def _tell(oracle, number, best):
    trial, name = list(oracle.trials.values())[number], oracle.objective.name
    failed = -math.inf if oracle.objective.direction == "max" else math.inf
    oracle.update_trial(trial.trial_id, {name: failed if best is None else best[name]})
    trial.status = "COMPLETED"
    oracle.end_trial(trial)
