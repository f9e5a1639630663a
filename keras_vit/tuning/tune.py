"""Searches for better options than those of a training: the story of a search, on one page."""

import math
from collections.abc import Callable
from typing import Any

from rich import print as show

from keras_vit import files
from keras_vit.pictures import parallel_picture
from keras_vit.training.options import Options
from keras_vit.training.runs.folder import RunError
from keras_vit.training.task import Monitor
from keras_vit.tuning import leaderboard, oracles, search_space, tuner
from keras_vit.tuning.search_folder import SearchFolder


def tune(search: Any, train: Callable, monitor: Monitor) -> tuple[dict, list[leaderboard.Row]]:
    """Returns the options of the best trial, and the Row of every trial from the best to the worst.

    `search.training` are the options of a training, and of trial 0; the other trials are `train` with what the search
    changes in them, as `search.tuning` says. The search lives in the folder of the option `output`: there it goes on
    after a kill, or answers at once when it is done, and other processes that call this share the trials. Raises
    ValueError for a search that makes no sense, before any training.
    """
    base, how = search.training, search.tuning
    axes = search_space.axes(base, how.space)
    sizes = {"trials": how.trials, "epochs": base.optim.epochs, "seed": base.run.seed}
    proposer = oracles.Proposer(how.search, search_space.parameters(axes), monitor, **sizes)
    folder = SearchFolder(base.run.output, search)
    folder.begin(base.run.fresh)
    trials = math.inf if how.search == "hyperband" else how.trials  # hyperband's own, from the epochs
    print(f"{how.search} search over {', '.join(axis.name for axis in axes)} in {folder.path}", flush=True)

    def evaluate(number, values):
        options = search_space.applied(axes, values, base) if number else base
        epochs = values.get(oracles.EPOCHS, options.optim.epochs)
        warmup = options.optim.warmup_epochs  # of None each training makes its own
        warmup = None if warmup is None else warmup * epochs / options.optim.epochs
        output = str(folder.run_of(number))
        options = options.replace(epochs=epochs, warmup_epochs=warmup, output=output, fresh=False)
        best = train(options).best
        if not math.isfinite(best[monitor.name]):
            raise ArithmeticError(f"{monitor.name} is {best[monitor.name]}")
        return best

    for number in tuner.search(folder, proposer, trials, evaluate):
        rows = rows_of(folder, base.optim.epochs)
        row = next(row for row in rows if row.number == number)
        print(f"{len(rows)}/{trials}".removesuffix("/inf"), leaderboard.line(row, axes, monitor), flush=True)
    return conclude(folder, axes, base, monitor)


def rows_of(folder: SearchFolder, epochs: int) -> list[leaderboard.Row]:
    """Returns the Row of each trial that has ended, in their order; of `epochs` unless the search chose others."""
    with folder.log() as events:
        trials = [trial for trial in enumerate(tuner.trials_of(events)) if "ended" in trial[1]]
    rows = []
    for number, trial in trials:
        record = folder.run_of(number) / "result.json"
        result = files.read_json(record) if record.exists() else {}
        values = {name: value for name, value in trial["values"].items() if not name.startswith("tuner/")}
        length = trial["values"].get(oracles.EPOCHS, epochs)
        rows.append(leaderboard.Row(number, values, length, trial.get("best"), trial.get("failure"), result))
    return rows


def conclude(
    folder: SearchFolder, axes: list[search_space.Axis], base: Options, monitor: Monitor
) -> tuple[dict, list[leaderboard.Row]]:
    """Writes and shows what the search found; returns the best options and all rows."""
    rows = leaderboard.ranked(rows_of(folder, base.optim.epochs), monitor)
    best = rows[0]
    with folder.log():  # one process at a time
        leaderboard.write(rows, axes, monitor, folder.leaderboard)
        if best.failure is not None:
            raise RunError(f"all {len(rows)} trials failed, the first with: {best.failure}; see {folder.leaderboard}")
        title = f"{len(rows)} trials around {base.title()}"
        parallel_picture(folder.picture, rows, axes, monitor, title)
        options = files.read_json(folder.run_of(best.number) / "options.json")
        files.write_json(folder.best_options, options)
        verdict = leaderboard.verdict(rows, monitor)
        record = {"verdict": verdict, "best": best.number, "values": best.values, "numbers": best.best}
        files.write_json(folder.result, record | {"trials": len(rows)})
    show(leaderboard.table(rows, axes, monitor))
    print(f"the best model: {folder.run_of(best.number) / 'best.keras'}, its options: {folder.best_options}")
    print(f"all trials: {folder.leaderboard}, drawn in {folder.picture}")
    print(verdict)
    return options["options"], rows
