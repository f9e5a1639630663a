"""What a training learns, as far as the trainer needs to know it."""

import dataclasses
from typing import Literal


@dataclasses.dataclass(frozen=True)
class Monitor:
    """The number of an epoch that chooses the best one, such as Monitor("val_loss", "min").

    Among epochs with the same number the one with the lower "val_loss" is better. `spec` is the format that people
    read the number in, such as ".2%" for shares.
    """

    name: str
    mode: Literal["max", "min"]
    spec: str = ".4g"

    def rank(self, row: dict[str, float]) -> tuple[float, float]:
        """Returns what sorts the rows of epochs from the best to the worst."""
        return row[self.name] if self.mode == "min" else -row[self.name], row["val_loss"]

    def best(self, rows: list[dict[str, float]]) -> dict[str, float]:
        """Returns the best of `rows`, the first among equals."""
        return min(rows, key=self.rank)

    def format(self, value: float) -> str:
        """Returns the number as people read it."""
        return format(value, self.spec)

    def describe(self, row: dict[str, float]) -> str:
        """Returns its name and number in `row`, such as "val accuracy 97.22%"."""
        return f"{self.name.replace('_', ' ')} {self.format(row[self.name])}"
