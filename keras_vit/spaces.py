"""What a search may change, as plain data: a family's `space` and the command line are made of it.

A space maps the names of options to a tuple of choices, a Range, or Times.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Range:
    """Every number from `low` to `high`, both included; with `log` each factor is as likely as any other."""

    low: float
    high: float
    log: bool = False

    def __post_init__(self):
        if not self.low < self.high:
            raise ValueError(f"a range from {self.low} to {self.high} is empty; its low end lies below its high end")
        if self.log and self.low <= 0:
            raise ValueError(f"a logarithmic range can't begin at {self.low}; it begins above 0")


@dataclass(frozen=True)
class Times:
    """Multiples of what the option is before the search, so that one space suits a small model and a large one.

    Whole numbers stay whole. The options named `also` grow by the same factor.
    """

    factors: tuple[float, ...]
    also: tuple[str, ...] = ()
