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
from typing import Literal

from rich import print as show

from keras_vit import cli, data, files
from keras_vit.cli import KeyValues
from keras_vit.pictures import parallel_picture
from keras_vit.recipes import train_classifier
from keras_vit.training.runs.folder import RunError
from keras_vit.tuning import leaderboard, oracles, search_space, tuner
from keras_vit.tuning.search_folder import SearchFolder

RESUMABLE = ("trials", "chief", "worker", "lease")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Search(train_classifier.Options):
    """What to search, how, and from which options of a training on."""

    search: Literal["random", "bayesian", "hyperband"] = "bayesian"
    """how trials are chosen; hyperband trains many for few epochs and the best of them for all"""
    trials: int = 20
    """how many, the default options among them; hyperband counts its own from the epochs"""
    space: KeyValues = dataclasses.field(default_factory=dict)
    """entries beside the family's own: depth=2,4,6 drop_path=0..0.3 learning_rate=log:1e-4..1e-2 width=x0.5,x1,x2,
    or augment=fixed to leave one out"""
    chief: str | None = None
    """host:port at which one process, started without --worker, gives trials to the others"""
    worker: int | None = None
    """the number of this worker of the chief; each is started with the same options, on the same disk"""
    lease: float = 60.0
    """seconds without a word after which a worker counts as lost and its trial goes to another"""
    output: str = "runs/search"
    """the folder of the search; the same command there goes on where it stopped"""


def of(options, **changes):
    """Returns the Search that begins with the training's `options`."""
    return Search(**({field.name: getattr(options, field.name) for field in dataclasses.fields(options)} | changes))


PRESETS = {
    "plain": Search(),
    "digits": of(
        train_classifier.PRESETS["digits"],
        epochs=8,
        warmup_epochs=1.0,
        space={"augment": ("none", "affine", "randaugment"), "patch": (4, 8)},
        output="runs/digits-search",
    ),
    "smoke": of(train_classifier.PRESETS["smoke"], trials=3, search="random", output="runs/smoke-search"),
}


def tune(search, train=train_classifier.train):
    """Returns the options of the best trial and the Row of every trial, from the best to the worst.

    The search lives in the folder `search.output`: there it goes on after a kill, or answers at once when it is
    done. A worker returns (None, []). Raises ValueError for a search that makes no sense, before any training.
    """
    base = base_of(search)
    axes = search_space.axes(base, search.space)
    check(search)
    folder = SearchFolder(search.output, search, RESUMABLE)
    oracle = oracles.oracle(
        search.search,
        search_space.parameters(axes),
        search.trials,
        base.epochs,
        base.seed,
        lease=search.lease,
        ended=lambda trial, done: tell(trial, done, folder, axes, search),
        serving=search.chief is not None,
    )
    if search.worker is not None:
        print(f"worker {search.worker} asks the chief at {search.chief} for trials", flush=True)
        count = tuner.search(oracle, folder, base, axes, train, search.chief, search.worker)
        print(f"worker {search.worker} is done, with {count} trials; the chief shows what was found")
        return None, []
    if search.chief is not None:
        tuner.leave_devices_to_workers()
    folder.check(search.fresh)
    data.open_source(base.data, data_dir=base.data_dir, seed=base.seed)  # what it can't read no trial can
    folder.begin(search.fresh)
    if not is_done(search, folder):
        folder.result.unlink(missing_ok=True)
        introduce(search, axes)
        tuner.search(oracle, folder, base, axes, train, search.chief)
    else:
        print(f"{folder.path} is done; --fresh starts over")
        oracle._set_project_dir(str(folder.path), folder.oracle.name)
        oracle.reload()
    return conclude(search, folder, axes, oracle, base)


def base_of(search):
    """Returns the options of a training that the search begins with."""
    names = [field.name for field in dataclasses.fields(train_classifier.Options)]
    return train_classifier.Options(**{name: getattr(search, name) for name in names})


def check(search):
    """Raises ValueError where the search can't be made, whatever the space."""
    if search.trials < 2:
        raise ValueError(f"trials is at least 2, one for the default options and one to compare, not {search.trials}")
    if search.lease <= 0:
        raise ValueError(f"lease is above 0 seconds, not {search.lease}")
    if search.worker is not None and search.chief is None:
        raise ValueError(f"worker {search.worker} needs the address of its chief: chief=host:port")
    if search.chief is not None:
        tuner.address(search.chief)
    cluster = search.strategy == "multiworker" or search.workers is not None or search.index is not None
    if cluster or (search.strategy == "auto" and "TF_CONFIG" in os.environ):
        raise ValueError(
            "a search trains each trial on one machine, by the strategy one or mirrored; "
            "chief and worker train several trials at once"
        )


def is_done(search, folder):
    """Tells whether the search in `folder` has ended, and had no fewer trials than are asked for."""
    if not folder.result.exists():
        return False
    told = files.read_json(folder.result)
    return search.search == "hyperband" or told["asked"] >= search.trials


def introduce(search, axes):
    """Prints what is searched."""
    count = "trials as hyperband has them" if search.search == "hyperband" else f"{search.trials} trials"
    print(f"{search.search} search, {count}, over {', '.join(axis.name for axis in axes)}", flush=True)
    if search.chief is not None:
        print(f"workers find the chief at {search.chief}", flush=True)


def tell(trial, done, folder, axes, search):
    """Prints a line about a trial that has ended, when `done` have."""
    count = "" if search.search == "hyperband" else f"/{search.trials}"
    print(f"{done}{count}", leaderboard.line(leaderboard.row_of(trial, folder, search.epochs), axes), flush=True)


def conclude(search, folder, axes, oracle, base):
    """Writes and shows what the search found; returns the best options and all rows."""
    rows = leaderboard.ranked(leaderboard.row_of(each, folder, base.epochs) for each in oracle.trials.values())
    leaderboard.write(rows, axes, folder.leaderboard)
    best = rows[0]
    if best.failure is not None:
        raise RunError(f"all {len(rows)} trials failed, the first with: {rows[0].failure}; see {folder.leaderboard}")
    title = f"{len(rows)} trials of {base.model} on {base.data}"
    parallel_picture(folder.picture, leaderboard.ranked(rows), axes, title)
    options = files.read_json(folder.run_of(best.trial_id) / "options.json")
    files.write_json(folder.best_options, options)
    sentence = leaderboard.verdict(rows, lambda trial_id: folder.result_of(trial_id)["test"]["accuracy"])
    told = {"verdict": sentence, "best": dataclasses.asdict(best), "trials": len(rows), "asked": search.trials}
    files.write_json(folder.result, told)
    show(leaderboard.table(rows, axes))
    print(f"the best model: {folder.run_of(best.trial_id) / 'best.keras'}, its options: {folder.best_options}")
    print(f"all trials: {folder.leaderboard}, drawn in {folder.picture}")
    print(sentence)
    return options["options"], rows


if __name__ == "__main__":
    cli.run(tune, PRESETS, __doc__)
