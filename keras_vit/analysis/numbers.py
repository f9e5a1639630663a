"""Numbers that measures are asked with, checked before anything is computed."""

import math
from typing import Any


def whole_number(name: str, value: Any, least: int = 1, what: str = "") -> int:
    """Returns `value` as an int; ValueError, which says `what` it is, unless it is a whole number from `least` on."""
    if not hasattr(value, "__index__") or isinstance(value, bool) or value < least:
        raise ValueError(f"{name} is {what or 'a whole number'}, at least {least}, not {value!r}")
    return int(value)


def positive_number(name: str, value: Any, what: str, most: float = math.inf) -> float:
    """Returns `value` as a float; ValueError, which says `what` it is, unless it is above 0, finite, at most `most`."""
    if not hasattr(value, "__float__") or isinstance(value, bool) or not 0 < value <= most or math.isinf(value):
        raise ValueError(f"{name} is {what}, not {value!r}")
    return float(value)
