"""Nested dataclasses of options, seen through the flat names of their fields.

A field goes by its own name, or by the `flag` of its metadata. `identity: False` in the metadata marks a field that
can't change the result.
"""

import dataclasses
import difflib
import json
from collections.abc import Iterable, Iterator
from typing import Any, TypeVar

T = TypeVar("T")


def flat(options: Any) -> dict[str, Any]:
    """Returns {flat name: value} of all fields of the dataclass `options` and of the dataclasses in it."""
    return {name: getattr(owner, field.name) for name, owner, field in _leaves(options)}


def identity(options: Any) -> dict[str, Any]:
    """Returns what `flat` does of the fields that can change the result, as it comes back from a JSON file."""
    leaves = {n: getattr(o, f.name) for n, o, f in _leaves(options) if f.metadata.get("identity", True)}
    return json.loads(json.dumps(leaves))


def irrelevant(options: Any) -> set[str]:
    """Returns the flat names of the fields that can't change the result."""
    return {name for name, _, field in _leaves(options) if not field.metadata.get("identity", True)}


def defaults(options: T) -> T:
    """Returns a dataclass like `options` with the default of each field."""
    fields = dataclasses.fields(options)  # type: ignore[arg-type]
    required = [f for f in fields if f.default is f.default_factory is dataclasses.MISSING]
    return type(options)(**{field.name: defaults(getattr(options, field.name)) for field in required})


def replace(options: T, **changes: Any) -> T:
    """Returns `options` with changes of fields by their flat names; a nested dataclass may be replaced as a whole.

    Raises ValueError for a name that no field has.
    """
    names = {name for name, _, _ in _leaves(options)}
    whole = {k: v for k, v in changes.items() if dataclasses.is_dataclass(v) and hasattr(options, k)}
    for name, value in whole.items():
        if isinstance(value, type):
            raise ValueError(f"{name} is {value.__name__}(...), not the class alone")
    changes = {k: v for k, v in changes.items() if k not in whole}
    if unknown := sorted(changes.keys() - names):
        raise ValueError(f"no option {unknown[0]!r}{did_you_mean(unknown[0], names)}")
    return _replaced(options, changes, whole)


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Returns " (did you mean 'vit-b16'?)" with the closest of the names `known`, "" where none is close."""
    match = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    return f" (did you mean {match[0]!r}?)" if match else ""


def named(name: str) -> str:
    """Returns the flat name of an option with its flag, "save_every (--save-every)", for who reads Python or types."""
    return f"{name} (--{name.replace('_', '-')})"


def check_names(options: Any) -> None:
    """Raises ValueError where two fields have one flat name."""
    names = [name for name, _, _ in _leaves(options)]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise ValueError(f"{', '.join(twice)} of {type(options).__name__} is there twice; flat names differ")


def _replaced(options, changes, whole):
    own = {}
    for field in dataclasses.fields(options):
        name, value = field.metadata.get("flag", field.name), getattr(options, field.name)
        if dataclasses.is_dataclass(value):
            own[field.name] = _replaced(whole.get(field.name, value), changes, {})
        elif name in changes:
            own[field.name] = changes[name]
    return dataclasses.replace(options, **own)


def _leaves(options) -> Iterator[tuple[str, Any, dataclasses.Field]]:
    for field in dataclasses.fields(options):
        value = getattr(options, field.name)
        if dataclasses.is_dataclass(value):
            yield from _leaves(value)
        else:
            yield field.metadata.get("flag", field.name), options, field
