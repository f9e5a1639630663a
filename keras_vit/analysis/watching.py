"""Shows on a terminal how far a measurement has come."""

from collections.abc import Iterable
from typing import Any

from rich import console, progress


def watched(work: Iterable[Any], what: str, total: float | None = None) -> Iterable[Any]:
    """Yields what `work` yields; on a terminal a bar says how much of it is done, and leaves when all is.

    `total` is how much there is, where `work` has no length. Elsewhere, in a file or a test, nothing is shown.
    """
    out = console.Console(stderr=True)
    hidden = not (out.is_terminal or out.is_jupyter)
    return progress.track(work, what, total, console=out, transient=True, disable=hidden)
