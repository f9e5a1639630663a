"""What a training learns, as far as the trainer needs to know it."""

import dataclasses
from typing import Literal


@dataclasses.dataclass(frozen=True)
class Monitor:
    """The number of an epoch that chooses the best one, such as Monitor("val_loss", "min").

    Among epochs with the same number the one with the lower "val_loss" is better.
    """

    name: str
    mode: Literal["max", "min"]

    def rank(self, row: dict[str, float]) -> tuple[float, float]:
        """Returns what sorts the rows of epochs from the best to the worst."""
        return row[self.name] if self.mode == "min" else -row[self.name], row["val_loss"]

    def best(self, rows: list[dict[str, float]]) -> dict[str, float]:
        """Returns the best of `rows`, the first among equals."""
        return min(rows, key=self.rank)
