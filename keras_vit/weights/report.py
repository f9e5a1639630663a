"""What loading did to each weight, as a table."""

from collections import Counter
from dataclasses import dataclass, field
from typing import NamedTuple


class Row(NamedTuple):
    """One weight of ours: its path and shape, the tensor it came from, and what was done."""

    ours: str
    shape: tuple
    theirs: str
    action: str


@dataclass(frozen=True)
class Report:
    """Every weight of a model and what loading did to it; prints as notes and a table of all but the plainly loaded."""

    path: str
    source: str
    rows: list[Row] = field(default_factory=list)
    classes: int | None = None  # of the file's head; None where it has none
    notes: tuple[str, ...] = ()  # what else was done, each a sentence

    def of(self, action: str) -> list[Row]:
        """Returns the rows whose action begins with `action`: loaded, resized, adapted or left."""
        return [row for row in self.rows if row.action.startswith(action)]

    def __str__(self):
        counts = Counter(row.action.split()[0] for row in self.rows)
        head = f"{self.path} ({self.source} names): " + ", ".join(f"{n} {what}" for what, n in counts.items())
        head = "\n".join([head, *(f"  {note}" for note in self.notes)])
        lines = [
            (row.ours, "x".join(map(str, row.shape)), row.theirs, row.action)
            for row in self.rows
            if row.action != "loaded"
        ]
        if not lines:
            return head
        lines.insert(0, ("weight", "shape", "from", "action"))
        widths = [max(len(line[i]) for line in lines) for i in range(3)]
        table = ("  ".join([*map(str.ljust, line[:3], widths), line[3]]) for line in lines)
        return "\n".join([head, *table])
