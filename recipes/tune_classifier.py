"""Searches for better options of a classifier than those it begins with, by keras-tuner.

    python -m keras_vit.recipes.tune_classifier --preset digits

20 trials of 8 epochs, 10 minutes of processor time on 2 busy CPU cores: the best reaches 97.2 % on validation, the
default options 79.2 %; on test 96.7 % and 77.8 %.

    python -m keras_vit.recipes.tune_classifier --data folder:photos --model vit-s16 --search hyperband --epochs 30

Takes every option of train_classifier; they are the trial 0, with which all others are compared. The best ones lie in
best-options.json afterwards: python -m keras_vit.recipes.train_classifier --options FILE.
"""

import dataclasses
import os
from dataclasses import field
from typing import Literal

from rich import print as show

from keras_vit import cli, data, files, nested
from keras_vit.pictures import parallel_picture
from keras_vit.recipes import train_classifier
from keras_vit.tasks.classify import Classify
from keras_vit.tasks.presets import classify as presets
from keras_vit.training.options import IRRELEVANT, KeyValues, Options
from keras_vit.training.runs.folder import RunError
from keras_vit.tuning import leaderboard, oracles, search_space, tuner
from keras_vit.tuning.search_folder import SearchFolder


@dataclasses.dataclass(frozen=True, kw_only=True)
class Tuning:
    """What to search, and how"""

    search: Literal["random", "bayesian", "hyperband"] = "bayesian"
    """how trials are chosen; hyperband trains many for few epochs and the best of them for all"""
    trials: int = field(default=20, metadata=IRRELEVANT)
    """how many, the default options among them; hyperband counts its own from the epochs"""
    space: KeyValues = field(default_factory=dict)
    """entries beside the family's own: depth=2,4,6 drop_path=0..0.3 learning_rate=log:1e-4..1e-2 width=x0.5,x1,x2,
    or augment=fixed to leave one out"""
    chief: str | None = field(default=None, metadata=IRRELEVANT)
    """host:port at which one process, started without --worker, gives trials to the others"""
    worker: int | None = field(default=None, metadata=IRRELEVANT)
    """the number of this worker of the chief; each is started with the same options, on the same disk"""
    lease: float = field(default=60.0, metadata=IRRELEVANT)
    """seconds without a word after which a worker counts as lost and its trial goes to another"""

    def __post_init__(self):
        if self.trials < 2:
            raise ValueError(f"trials is at least 2, one for the default options and one to compare, not {self.trials}")
        if self.lease <= 0:
            raise ValueError(f"lease is above 0 seconds, not {self.lease}")
        if self.worker is not None and self.chief is None:
            raise ValueError(f"worker {self.worker} needs the address of its chief: chief=host:port")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Search:
    """A search, and the options of the training that it begins with; its `output` is the folder of the search."""

    training: Options[Classify]
    tuning: Tuning = field(default_factory=Tuning)

    def replace(self, **changes):
        """Returns a copy with options changed by their flat names, those of the training too."""
        return nested.replace(self, **changes)


def plain() -> Search:
    """The defaults of a training."""
    return Search(training=presets.plain().replace(output="runs/search"))


def digits() -> Search:
    """20 trials of 8 epochs of the preset digits of a training."""
    space = {"augment": ("none", "affine", "randaugment"), "patch": (4, 8)}
    training = presets.digits().replace(epochs=8, warmup_epochs=1.0, output="runs/digits-search")
    return Search(training=training, tuning=Tuning(space=space))


def smoke() -> Search:
    """Three trials of seconds each."""
    training = presets.smoke().replace(output="runs/smoke-search")
    return Search(training=training, tuning=Tuning(trials=3, search="random"))


PRESETS = {"plain": plain, "digits": digits, "smoke": smoke}


def tune(search, train=train_classifier.train):
    """Returns the options of the best trial and the Row of every trial, from the best to the worst.

    The search lives in the folder `output`: there it goes on after a kill, or answers at once when it is done. A
    worker returns (None, []). Raises ValueError for a search that makes no sense, before any training.
    """
    base = search.training
    axes = search_space.axes(base, search.tuning.space)
    check(search)
    folder = SearchFolder(search.training.run.output, search)
    oracle = oracles.oracle(
        search.tuning.search,
        search_space.parameters(axes),
        search.tuning.trials,
        base.optim.epochs,
        base.run.seed,
        lease=search.tuning.lease,
        ended=lambda trial, done: tell(trial, done, folder, axes, search),
        serving=search.tuning.chief is not None,
    )
    if search.tuning.worker is not None:
        print(f"worker {search.tuning.worker} asks the chief at {search.tuning.chief} for trials", flush=True)
        count = tuner.search(oracle, folder, base, axes, train, search.tuning.chief, search.tuning.worker)
        print(f"worker {search.tuning.worker} is done, with {count} trials; the chief shows what was found")
        return None, []
    if search.tuning.chief is not None:
        tuner.leave_devices_to_workers()
    folder.check(search.training.run.fresh)
    data.open_source(base.data.name, data_dir=base.data.data_dir, seed=base.run.seed)  # what it can't read no trial can
    folder.begin(search.training.run.fresh)
    if not is_done(search, folder):
        folder.result.unlink(missing_ok=True)
        introduce(search, axes)
        tuner.search(oracle, folder, base, axes, train, search.tuning.chief)
    else:
        print(f"{folder.path} is done; --fresh starts over")
        oracle._set_project_dir(str(folder.path), folder.oracle.name)
        oracle.reload()
    return conclude(search, folder, axes, oracle, base)


def check(search):
    """Raises ValueError where the search can't be made, whatever the space."""
    if search.tuning.chief is not None:
        tuner.address(search.tuning.chief)
    devices = search.training.devices
    cluster = devices.strategy == "multiworker" or devices.workers is not None or devices.index is not None
    if cluster or (devices.strategy == "auto" and "TF_CONFIG" in os.environ):
        raise ValueError(
            "a search trains each trial on one machine, by the strategy one or mirrored; "
            "chief and worker train several trials at once"
        )


def is_done(search, folder):
    """Tells whether the search in `folder` has ended, and had no fewer trials than are asked for."""
    if not folder.result.exists():
        return False
    told = files.read_json(folder.result)
    return search.tuning.search == "hyperband" or told["asked"] >= search.tuning.trials


def introduce(search, axes):
    """Prints what is searched."""
    count = "trials as hyperband has them" if search.tuning.search == "hyperband" else f"{search.tuning.trials} trials"
    print(f"{search.tuning.search} search, {count}, over {', '.join(axis.name for axis in axes)}", flush=True)
    if search.tuning.chief is not None:
        print(f"workers find the chief at {search.tuning.chief}", flush=True)


def tell(trial, done, folder, axes, search):
    """Prints a line about a trial that has ended, when `done` have."""
    count = "" if search.tuning.search == "hyperband" else f"/{search.tuning.trials}"
    print(
        f"{done}{count}",
        leaderboard.line(leaderboard.row_of(trial, folder, search.training.optim.epochs), axes),
        flush=True,
    )


def conclude(search, folder, axes, oracle, base):
    """Writes and shows what the search found; returns the best options and all rows."""
    rows = leaderboard.ranked(leaderboard.row_of(each, folder, base.optim.epochs) for each in oracle.trials.values())
    leaderboard.write(rows, axes, folder.leaderboard)
    best = rows[0]
    if best.failure is not None:
        raise RunError(f"all {len(rows)} trials failed, the first with: {rows[0].failure}; see {folder.leaderboard}")
    title = f"{len(rows)} trials of {base.model.name} on {base.data.name}"
    parallel_picture(folder.picture, leaderboard.ranked(rows), axes, title)
    options = files.read_json(folder.run_of(best.trial_id) / "options.json")
    files.write_json(folder.best_options, options)
    sentence = leaderboard.verdict(rows, lambda trial_id: folder.result_of(trial_id)["test"]["accuracy"])
    told = {"verdict": sentence, "best": dataclasses.asdict(best), "trials": len(rows), "asked": search.tuning.trials}
    files.write_json(folder.result, told)
    show(leaderboard.table(rows, axes))
    print(f"the best model: {folder.run_of(best.trial_id) / 'best.keras'}, its options: {folder.best_options}")
    print(f"all trials: {folder.leaderboard}, drawn in {folder.picture}")
    print(sentence)
    return options["options"], rows


if __name__ == "__main__":
    cli.run(tune, PRESETS, __doc__, Search)
