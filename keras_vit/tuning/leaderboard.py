"""What a search found: one row a trial, as a table, as CSV, and in a sentence."""

import csv
import dataclasses
import os
from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich import box
from rich.table import Table
from rich.text import Text

from keras_vit.files import replacing
from keras_vit.training.task import Monitor

if TYPE_CHECKING:
    from keras_vit.tuning.search_space import Axis

SHOWN = 10  # trials of the table, beside the default and those that failed


@dataclasses.dataclass(frozen=True)
class Row:
    """A trial that has ended. Number 0 has the default options: those from before the search."""

    number: int
    values: dict  # {name of an axis: its choice or number}
    epochs: int
    best: dict[str, float] | None  # the numbers of its best epoch; None where it failed
    failure: str | None = None
    result: dict = dataclasses.field(default_factory=dict)  # of its training, as in result.json

    def changes(self, axes: "Sequence[Axis]") -> str:
        """Returns "depth=6, drop_path=0.12": what differs from the default."""
        if not self.number:
            return "the default options"
        changed = [axis for axis in axes if self.values[axis.name] != axis.default]
        return ", ".join(f"{axis.name}={_short(self.values[axis.name])}" for axis in changed) or "as the default"


def ranked(rows: list[Row], monitor: Monitor) -> list[Row]:
    """Returns `rows` from the best to the worst, those that failed last."""
    return sorted(rows, key=lambda row: (row.best is None, monitor.rank(row.best) if row.best else (), row.number))


def line(row: Row, axes: "Sequence[Axis]", monitor: Monitor) -> str:
    """Returns one line about a trial that has just ended."""
    if row.best is None:
        return f"trial {row.number} failed ({row.failure}); {row.changes(axes)}"
    took = f"{row.epochs} epochs in {row.result['seconds']:.0f} s"
    return f"trial {row.number}: {monitor.describe(row.best)}, {took}; {row.changes(axes)}"


def table(rows: list[Row], axes: "Sequence[Axis]", monitor: Monitor) -> Table:
    """Returns the table of the best trials, the default options, and those that failed, of the ranked `rows`."""
    shown = [(i, row) for i, row in enumerate(rows, start=1) if i <= SHOWN or not row.number or row.best is None]
    best = f", the best {SHOWN} of them" if len(rows) > SHOWN else ""
    made = Table(title=f"{len(rows)} trials{best}, on validation", box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))
    measured = {monitor.name: monitor.spec, "val_loss": ".4f"}
    for name in ("rank", "trial", *measured, "epochs"):
        made.add_column(name, justify="right", no_wrap=True)
    made.add_column("options changed")
    for rank, row in shown:
        numbers = ["" if row.best is None else format(row.best[name], spec) for name, spec in measured.items()]
        failure = "" if row.failure is None else f"failed: {row.failure}; "
        style = "" if row.number else "bold"
        made.add_row(
            str(rank), str(row.number), *numbers, str(row.epochs), Text(failure + row.changes(axes)), style=style
        )
    return made


def write(rows: list[Row], axes: "Sequence[Axis]", monitor: Monitor, path: str | os.PathLike) -> None:
    """Writes the ranked `rows` to `path` as CSV."""
    measured = list(dict.fromkeys((monitor.name, "val_loss")))
    of_result = ["parameters", "seconds"]
    with replacing(path) as partial, open(partial, "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["rank", "trial", *measured, "epochs", *of_result, "failure", *(axis.name for axis in axes)])
        for rank, row in enumerate(rows, start=1):
            numbers: list = [(row.best or {}).get(name) for name in measured]
            numbers += [row.epochs, *(row.result.get(name) for name in of_result), row.failure]
            writer.writerow([rank, row.number, *numbers, *(row.values[axis.name] for axis in axes)])


def verdict(rows: list[Row], monitor: Monitor) -> str:
    """Returns the sentence that compares the best of the ranked `rows` with the default options, on test too."""

    def reached(row):
        tested = row.result.get("test", {}).get(monitor.name.removeprefix("val_"))
        on_test = "" if tested is None else f" ({monitor.format(tested)} on test)"
        return monitor.describe(row.best) + on_test

    best, default = rows[0], next(row for row in rows if not row.number)
    if best is default:
        return f"No trial was better than the default options, which reach {reached(best)}."
    if default.best is None or best.best is None:
        return (
            f"The best, trial {best.number}, reaches {reached(best)}; the default options failed ({default.failure})."
        )
    tie = best.best[monitor.name] == default.best[monitor.name]
    lower = f", at a lower loss ({best.best['val_loss']:.4f} to {default.best['val_loss']:.4f})" if tie else ""
    return f"The best, trial {best.number}, reaches {reached(best)}, the default options {reached(default)}{lower}."


def _short(value):
    return f"{value:.3g}" if isinstance(value, float) else str(value)
