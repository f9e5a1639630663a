"""The names of classes, however a person holds them."""

import os
from collections.abc import Mapping, Set
from pathlib import Path
from typing import Any

_WANTED = (
    "give a list of names, class 0 first, a dict of numbers and names, or the path of a text file, one name a line"
)


def names_of(labels: Any) -> tuple[str, ...]:
    """Returns the names of classes in the order of their numbers.

    `labels` is a sequence, an array (classes,) or an iterator of names (text, UTF-8 bytes or numbers), a dict of
    {0: "cat"} or {"cat": 0}, or the path of a UTF-8 text file with one name a line. Two classes may have one name, as
    ImageNet's cranes do. Raises ValueError for what can be meant in several ways: a set, which has no order, a text
    that is no path of a file, an empty name.
    """
    if isinstance(labels, str | os.PathLike):
        found = _lines(labels)
    elif isinstance(labels, Mapping):
        found = _of_dict(labels)
    elif isinstance(labels, Set) and not hasattr(labels, "mapping"):  # the keys of a dict have an order
        raise ValueError(f"labels={_short(labels)} is a set, which has no order; {_WANTED}")
    elif isinstance(labels, bytes | bytearray) or not hasattr(labels, "__iter__") or getattr(labels, "ndim", 1) != 1:
        raise ValueError(f"labels={_short(labels)} is no sequence of names; {_WANTED}")
    else:
        found = list(labels)
    return tuple(map(_name, found))


def _lines(path):
    try:
        lines = Path(path).read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeError, ValueError) as error:
        why = getattr(error, "strerror", None) or "no text in UTF-8"
        raise ValueError(f"labels={str(path)!r} can't be read as a file: {why}; {_WANTED}") from error
    while lines and not lines[-1].strip():
        lines.pop()
    return lines


def _of_dict(labels):
    """Returns the names of {0: "cat"} or {"cat": 0} in the order of the numbers, which JSON may have made text."""
    for number in (_whole, _digits):
        forward, backward = (_counts(map(number, side)) for side in (labels, labels.values()))
        if forward != backward:
            pairs = labels.items() if forward else ((key, name) for name, key in labels.items())
            return [name for _, name in sorted((number(key), name) for key, name in pairs)]
        if forward:
            break
    raise ValueError(
        f"labels={_short(labels)} doesn't number {len(labels)} names from 0 to {len(labels) - 1} on one side; {_WANTED}"
    )


def _counts(numbers):
    numbers = list(numbers)
    return None not in numbers and sorted(numbers) == list(range(len(numbers)))


def _whole(value):
    """Returns `value` if it is a whole number, of NumPy too."""
    return int(value) if hasattr(value, "__index__") and not isinstance(value, bool) else None


def _digits(value):
    return int(value) if isinstance(value, str) and value.isdecimal() else _whole(value)


def _name(value):
    value = value.numpy() if hasattr(value, "numpy") else value
    value = value.item() if hasattr(value, "item") and not getattr(value, "ndim", 0) else value
    if isinstance(value, bytes):
        value = value.decode("utf-8", errors="replace")
    if not isinstance(value, str | int | float) or not str(value).strip():
        raise ValueError(f"labels holds {value!r}, which is no name; {_WANTED}")
    return str(value).strip() if isinstance(value, str) else str(value)


def _short(value):
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:77]}..."
