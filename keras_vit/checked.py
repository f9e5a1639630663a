"""Dataclasses of options whose fields hold what they are declared to hold, however they were made.

tyro checks what stands on the command line alone; Python, presets and files of options come without it, and no parser
refuses a NaN.
"""

import dataclasses
import math
import numbers
import os
import types
import typing
from typing import Any, Literal, TypeVar, Union, get_args, get_origin

from keras_vit.nested import did_you_mean

T = TypeVar("T")
_KINDS: dict[Any, str] = {
    bool: "True or False",
    int: "a whole number",
    float: "a finite number",
    str: "a text",
    dict: "a dict of names and plain, finite values",
}


@typing.dataclass_transform(frozen_default=True, kw_only_default=True, field_specifiers=(dataclasses.field,))
def options(kind: type[T]) -> type[T]:
    """Makes `kind` a frozen keyword-only dataclass that refuses values of other types by a ValueError.

    It comes before the class' own `__post_init__`. Numbers of NumPy become those of Python, paths become texts and
    lists tuples, as they come back from JSON; nothing else is converted. No number is NaN or infinite.
    """
    own = getattr(kind, "__post_init__", lambda self: None)

    def __post_init__(self):
        check(self)
        own(self)

    kind.__post_init__ = __post_init__  # type: ignore[attr-defined]
    return dataclasses.dataclass(frozen=True, kw_only=True)(kind)


def check(options: Any) -> None:
    """Raises ValueError, which names the option, where a field of the dataclass `options` holds another type."""
    known = hints(type(options))
    for field in dataclasses.fields(options):
        value = getattr(options, field.name)
        if value is not field.default:  # which may be a mark of tyro's for what is missing
            name = field.metadata.get("flag", field.name)
            object.__setattr__(options, field.name, checked(name, value, known.get(field.name)))


def checked(name: str, value: Any, hint: Any) -> Any:
    """Returns `value` as a plain one of the type `hint`; ValueError, which calls it `name`, where it is none."""
    try:
        return _as(value, hint)
    except TypeError:
        pass
    if get_origin(hint) is Literal:
        known = [str(each) for each in get_args(hint)]
        hint_at = did_you_mean(value, known) if isinstance(value, str) else ""
        raise ValueError(f"no {name} {value!r}{hint_at}; it is one of {', '.join(known)}")
    raise ValueError(f"{name} is {_words(hint)}, not {value!r}")


def hints(kind: Any) -> dict[str, Any]:
    """Returns {field: its type} of a dataclass."""
    try:
        return typing.get_type_hints(kind)
    except NameError:  # of somebody else's, whose types are imported for a type checker alone
        return {}


def at_least(options: Any, low: float, *names: str) -> None:
    """Raises ValueError where a field of `options` called one of `names` is a number below `low`."""
    for name in names:
        if (value := getattr(options, name)) is not None and value < low:
            raise ValueError(f"{name} is at least {low}, not {value}")


def above_zero(options: Any, *names: str, most: float = math.inf) -> None:
    """Raises ValueError where a field of `options` called one of `names` is a number of 0 or less, or over `most`."""
    for name in names:
        if (value := getattr(options, name)) is not None and not 0 < value <= most:
            raise ValueError(f"{name} is above 0{'' if most == math.inf else f' and at most {most:g}'}, not {value}")


def _as(value, hint):
    """Returns `value` as one of the type `hint`; TypeError where it is none."""
    origin, parts = get_origin(hint), get_args(hint)
    if origin in (Union, types.UnionType):
        return _first(value, parts)
    if origin is Literal:
        if isinstance(value, str | int) and value in parts:
            return value
        raise TypeError
    if origin is tuple:
        return _tuple(value, parts)
    if dataclasses.is_dataclass(origin or hint):
        return _instance(value, origin or hint)
    return _PLAIN.get(origin or hint, lambda value: value)(value)


def _first(value, kinds):
    for kind in kinds:
        try:
            return _as(value, kind)
        except TypeError:
            continue
    raise TypeError


def _tuple(value, kinds):
    if not isinstance(value, tuple | list):
        raise TypeError
    kinds = (kinds[0],) * len(value) if kinds[-1] is ... else kinds
    if len(kinds) != len(value):
        raise TypeError
    return tuple(map(_as, value, kinds))


def _bool(value):
    return _instance(_python(value), bool)


def _int(value):
    value = _python(value)
    if isinstance(value, numbers.Integral) and not isinstance(value, bool):
        return int(value)
    raise TypeError


def _float(value):
    value = _python(value)
    if isinstance(value, numbers.Real) and not isinstance(value, bool) and math.isfinite(value):
        return value if isinstance(value, int) else float(value)
    raise TypeError


def _str(value):
    return os.fsdecode(value) if isinstance(value, os.PathLike) else _instance(value, str)


def _none(value):
    return _instance(value, types.NoneType)


def _dict(value):
    """Returns a dict of names, whose values are finite, and plain where they are NumPy's."""
    return {_str(key): _finite(each) for key, each in _instance(value, dict).items()}


def _finite(value):
    value = _python(value)
    if isinstance(value, tuple | list):
        return type(value)(map(_finite, value))
    if isinstance(value, dict):
        return _dict(value)
    if isinstance(value, float):
        return _float(value)
    return _instance(value, int | str | os.PathLike | types.NoneType)


def _python(value):
    """Returns a scalar of NumPy, which isn't imported here, as one of Python."""
    return value.item() if type(value).__module__ == "numpy" and getattr(value, "shape", None) == () else value


def _instance(value, kind):
    if not isinstance(value, kind):
        raise TypeError
    return value


_PLAIN: dict[Any, Any] = {
    bool: _bool,
    int: _int,
    float: _float,
    str: _str,
    dict: _dict,
    types.NoneType: _none,
}


def _words(hint):
    """Returns what a value of the type `hint` is, in words."""
    origin, parts = get_origin(hint), get_args(hint)
    if origin in (Union, types.UnionType):
        return " or ".join(_words(each) for each in parts)
    if origin is Literal:
        return " or ".join(map(repr, parts))
    if origin is tuple:
        return (
            f"a tuple of some, each {_words(parts[0])}"
            if parts[-1] is ...
            else f"a tuple ({', '.join(map(_words, parts))})"
        )
    if hint is types.NoneType:
        return "None"
    known = origin or hint
    return _KINDS.get(known) or f"{known.__name__}(...)"
