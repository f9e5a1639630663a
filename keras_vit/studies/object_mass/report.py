"""What was measured of attention on objects, over several trainings: as a summary, as files, and in words."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from rich import print as show
from rich.table import Table

from keras_vit.files import write_csv, write_json


def summary(rows: Sequence[dict[str, Any]], seeds: Sequence[int]) -> dict[str, Any]:
    """Returns {kind of map: shares by seed before and after, on the object and elsewhere, their mean and deviation}."""
    found = {}
    for name in dict.fromkeys(row["map"] for row in rows):
        by_seed = {
            f"{state}{suffix}": [row[f"mass{suffix}"] for row in rows if (row["map"], row["state"]) == (name, state)]
            for state in ("untrained", "trained")
            for suffix in ("", "_elsewhere")
        }
        more = sum(after > before for before, after in zip(by_seed["untrained"], by_seed["trained"], strict=True))
        found[name] = {
            key: {"seeds": values, "mean": float(np.mean(values)), "std": float(np.std(values, ddof=len(seeds) > 1))}
            for key, values in by_seed.items()
        } | {"seeds_with_more_after_training": int(more)}
    return found


def write(home: Path, outcome: dict[str, Any]) -> None:
    """Writes object_mass.json, and its rows as object_mass.csv."""
    write_json(home / "object_mass.json", outcome)
    write_csv(home / "object_mass.csv", outcome["rows"][0], [row.values() for row in outcome["rows"]])


def tell(home: Path, outcome: dict[str, Any]) -> None:
    """Prints the table of shares and what was measured, in words."""
    seeds = len(outcome["options"]["seeds"])
    columns = ("map", "untrained", "trained", "trained, on another's object", "more after training")
    table = Table(*columns, title="share of the map's mass on the object, mean ± standard deviation over seeds")
    for name, each in outcome["maps"].items():
        cells = (percent(each[key]) for key in ("untrained", "trained", "trained_elsewhere"))
        table.add_row(name, *cells, f"in {each['seeds_with_more_after_training']} of {seeds} seeds")
    show(table)
    before, after = (f"{np.mean(outcome['accuracy'][state]):.1%}" for state in ("untrained", "trained"))
    print(f"The object covers {outcome['area']:.1%} of an image; an even map has that share on it.")
    print(f"Of {outcome['images']} held-out images {before} were classified rightly before training, {after} after.")
    for name, each in outcome["maps"].items():
        print(
            f"{name}: {percent(each['untrained'])} on the object before training, {percent(each['trained'])} after, "
            f"more in {each['seeds_with_more_after_training']} of {seeds} seeds."
        )
    print("written to", home)


def percent(found: dict[str, float]) -> str:
    """Returns mean and deviation in percent."""
    return f"{100 * found['mean']:.1f} ± {100 * found['std']:.1f} %"
