"""What a search found: one row a trial, as a table, as CSV, and in a sentence."""

import csv
import dataclasses

from rich import box
from rich.table import Table
from rich.text import Text

from keras_vit.files import replacing
from keras_vit.tuning import oracles

SHOWN = 10  # trials of the table, beside the default and those that failed


@dataclasses.dataclass(frozen=True)
class Row:
    """A trial that has ended: what it tried, {axis: its label or number}, and what that came to on validation."""

    trial_id: str
    values: dict
    epochs: int
    val_accuracy: float | None  # None where it failed
    val_loss: float | None
    parameters: int | None = None
    seconds: float | None = None
    failure: str | None = None

    @property
    def number(self):
        """0 for the options as they were before the search."""
        return int(self.trial_id)

    def changes(self, axes):
        """Returns "depth=6, drop_path=0.12": what differs from the default."""
        if not self.number:
            return "the default options"
        changed = [axis for axis in axes if self.values[axis.name] != axis.default]
        return ", ".join(f"{axis.name}={_short(self.values[axis.name])}" for axis in changed) or "as the default"


def row_of(trial, folder, epochs):
    """Returns the Row of a keras_tuner.Trial of the SearchFolder `folder`; `epochs` unless Hyperband said others."""
    told, values = folder.result_of(trial.trial_id), trial.hyperparameters.values
    ended = trial.status == "COMPLETED"
    return Row(
        trial.trial_id,
        {name: each for name, each in values.items() if not name.startswith("tuner/")},
        values.get(oracles.EPOCHS, epochs),
        float(trial.metrics.get_best_value("val_accuracy")) if ended else None,
        float(trial.metrics.get_best_value("val_loss")) if ended else None,
        told.get("parameters"),
        told.get("seconds"),
        None if ended else folder.failure_of(trial.trial_id) or "its process could not say why",
    )


def ranked(rows):
    """Returns `rows` from the best to the worst: by validation accuracy, then loss, those that failed last."""
    return sorted(rows, key=lambda row: (row.failure is not None, *_demerit(row), row.number))


def _demerit(row):
    return (0.0, 0.0) if row.failure is not None else (-row.val_accuracy, row.val_loss)


def line(row, axes):
    """Returns one line about a trial that has just ended."""
    if row.failure is not None:
        return f"trial {row.number} failed ({row.failure}); {row.changes(axes)}"
    took = "" if row.seconds is None else f" in {row.seconds:.0f} s"
    return f"trial {row.number}: val accuracy {row.val_accuracy:.2%}, {row.epochs} epochs{took}; {row.changes(axes)}"


def table(rows, axes):
    """Returns the rich Table of the best trials, the default options, and those that failed."""
    rows = ranked(rows)
    shown = [row for i, row in enumerate(rows) if i < SHOWN or not row.number or row.failure is not None]
    columns = {
        "rank": lambda row: "" if row.failure is not None else str(rows.index(row) + 1),
        "trial": lambda row: str(row.number),
        "accuracy": lambda row: "failed" if row.failure is not None else f"{row.val_accuracy:.2%}",
        "loss": lambda row: "" if row.failure is not None else f"{row.val_loss:.4f}",
    }
    if len({row.epochs for row in rows}) > 1:
        columns["epochs"] = lambda row: str(row.epochs)
    best = f", the best {SHOWN} of them" if len(rows) > SHOWN else ""
    found = Table(
        title=f"{len(rows)} trials{best}, on the validation images", box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0)
    )
    for name in columns:
        found.add_column(name, justify="right", no_wrap=True)
    found.add_column("options changed")
    for row in shown:
        failure = "" if row.failure is None else f"{row.failure}; "
        cells = [read(row) for read in columns.values()]
        found.add_row(*cells, Text(failure + row.changes(axes)), style="" if row.number else "bold")
    return found


def write(rows, axes, path):
    """Writes all trials to `path` as CSV, from the best to the worst."""
    head = ["rank", "trial", "val_accuracy", "val_loss", "epochs", "parameters", "seconds", "failure"]
    with replacing(path) as partial, open(partial, "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow([*head, *(axis.name for axis in axes)])
        for i, row in enumerate(ranked(rows), start=1):
            figures = (row.val_accuracy, row.val_loss, row.epochs, row.parameters, row.seconds, row.failure)
            writer.writerow([i, row.number, *figures, *(row.values[axis.name] for axis in axes)])


def verdict(rows, test_accuracy):
    """Returns the sentence that compares the best trial with the default options.

    `test_accuracy` maps a trial's id to its accuracy on the test images, which are looked at for these two alone.
    """
    best, default = ranked(rows)[0], next(row for row in rows if not row.number)
    test = test_accuracy(best.trial_id)
    if default.failure is not None:
        return (
            f"The best, trial {best.number}, reaches {best.val_accuracy:.2%} on validation and {test:.2%} on test; "
            f"the default options failed ({default.failure})."
        )
    if best is default:
        return (
            f"No trial was better than the default options, which reach {best.val_accuracy:.2%} on validation "
            f"and {test:.2%} on test."
        )
    points = 100 * (best.val_accuracy - default.val_accuracy)
    better = f"{points:.2f} points better than the default options ({default.val_accuracy:.2%})"
    if best.val_accuracy == default.val_accuracy:
        better = f"as the default options do, at a lower loss ({best.val_loss:.4f} to {default.val_loss:.4f})"
    return (
        f"The best, trial {best.number}, reaches {best.val_accuracy:.2%} on validation, {better}; "
        f"on test it reaches {test:.2%} and the default {test_accuracy(default.trial_id):.2%}."
    )


def _short(value):
    return f"{value:.3g}" if isinstance(value, float) else str(value)
