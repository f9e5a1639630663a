"""What other tools put before the names of all tensors, such as "module.": found by trying."""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

WRAPPERS = ("module.", "model.", "_orig_mod.", "backbone.", "net.", "network.")
_DEEP = 4  # prefixes that stand before one another


@dataclass(frozen=True)
class Reading:
    """Names of tensors without the prefixes that are `taken` off."""

    taken: tuple[str, ...]
    names: dict[str, str]  # each as it is read: as it stands in the file

    @property
    def prefix(self) -> str:
        return "".join(self.taken)


def readings(names: Iterable[str], left: tuple[str, ...], known: Sequence[str] = WRAPPERS) -> Iterator[Reading]:
    """Yields the ways to read `names`: as they are, then with one prefix taken off, then with two and so on.

    A prefix ends in "." or "/" and is either that of all names, but for those that begin as in `left`, or `known`; then
    the names that lack it stay as they are. One whose removal would make two names the same is none.
    """
    rest = [Reading((), {name: name for name in names})]
    for _ in range(_DEEP):
        yield from rest
        rest = [
            Reading((*one.taken, prefix), shorter)
            for one in rest
            for prefix in _prefixes(one, left, known)
            if len(shorter := {name.removeprefix(prefix): stands for name, stands in one.names.items()})
            == len(one.names)
        ]


def _prefixes(reading, left, known):
    counted = (name for name, stands in reading.names.items() if not (name + "\0" + stands).startswith(left))
    firsts = {match[0] if (match := re.match(r"[^./]+[./]", name)) else None for name in counted}
    if len(firsts) == 1:
        return [first for first in firsts if first]
    return [first for first in known if first in firsts]
