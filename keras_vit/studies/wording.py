"""Sentences that say no more than what was measured."""

from collections.abc import Callable, Iterable, Mapping, Sequence

import numpy as np


def percent(value: float) -> str:
    """Returns a share as text, such as "61.2 %"."""
    return f"{100 * value:.1f} %"


def points(value: float) -> str:
    """Returns a difference of shares as text, such as "1.4 points"."""
    return f"{100 * value:.1f} points"


def change(value: float) -> str:
    """Returns a change of a share as text with its sign, such as "−1.4 points"."""
    return signed(100 * value, 1) + " points"


def signed(value: float, digits: int = 2) -> str:
    """Returns a number as text with its sign."""
    return f"{value:+.{digits}f}".replace("-", "−")


def listed(parts: Iterable) -> str:
    """Returns texts as one: "a", "a and b", "a, b and c"."""
    parts = [str(each) for each in parts]
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"


def ordered(values: Mapping[str, Sequence[float]], lowest: bool = False) -> list[tuple[str, float]]:
    """Returns {name: [values]} as [(name, mean)], the highest mean first, or the lowest."""
    means = [(name, float(np.mean(found))) for name, found in values.items()]
    return sorted(means, key=lambda each: each[1] if lowest else -each[1])


def leaders(values: Mapping[str, Sequence[float]], lowest: bool = False, margin: float = 0.0) -> list[str]:
    """Returns which of {name: [values]} can't be told from the best, which comes first.

    A name can't where one of its values reaches one of the best's, or comes within `margin` of the best's mean.
    """
    sign = -1 if lowest else 1
    merits = {name: sign * np.array(values[name]) for name, _ in ordered(values, lowest)}
    best, *_ = merits
    enough = min(merits[best].min(), merits[best].mean() - margin)
    return [name for name, each in merits.items() if name == best or each.max() >= enough]


def comparison(
    values: Mapping[str, Sequence[float]],
    what: str,
    form: Callable[[float], str] = percent,
    lowest: bool = False,
    margin: float = 0.0,
) -> str:
    """Returns the sentence that ranks {name: [values]} by `what`, such as "the highest accuracy".

    It names those together that `leaders` can't tell apart.
    """
    best = leaders(values, lowest, margin)
    ranking = listed(f"{name} {form(mean)}" for name, mean in ordered(values, lowest))
    if len(values) == 1:
        return f"{ranking}."
    if len(best) == len(values):
        return f"No network stands out by {what}: {ranking}, which this study can't tell apart."
    if len(best) > 1:
        return f"{listed(best)} share {what}, and this study can't tell them apart: {ranking}."
    return f"{best[0]} has {what}: {ranking}."


def two_errors(share: float, count: int) -> float:
    """Returns twice the standard error of a share of `count` images."""
    return 2 * float(np.sqrt(max(share * (1 - share), 0.0) / count))
