"""Names to model families: a family is a module with one registered function; no list of them exists."""

import dataclasses
import importlib
import re
import warnings
from collections.abc import Callable, Mapping
from fnmatch import fnmatchcase
from typing import Any, NamedTuple

from keras_vit import backend
from keras_vit.discovery import Offer, installed
from keras_vit.nested import did_you_mean
from keras_vit.overrides import as_declared, followed

_registered: dict[str, dict[str, "Family"]] = {}  # family name -> {module name: Family}


class ZooError(ValueError):
    """A name, an override or a plug-in that the registry can't serve; the message says what it can."""


class Family(NamedTuple):
    """A registered family; `register` says what its fields are."""

    name: str
    module: str
    make: Callable[[Any], Any]
    variants: dict[str, Any]
    sources: dict[str, Any]
    small: Any
    space: dict[str, Any]


def register(
    variants: Mapping[str, Any], sources: Mapping | None = None, small: Any = None, space: Mapping | None = None
) -> Callable[[Callable], Callable]:
    """Registers the decorated function `config -> keras.Model` as the family of its own name.

    `variants` maps the rest of a model's name ("b16" of "vit-b16", "" for the bare family name) to a
    frozen dataclass, whose fields are what `build` lets a caller override. `sources` maps publishers to
    the keras_vit.weights.Source of their checkpoints. `small` is a configuration of a few thousand
    weights for the contract test; without it the test takes the first variant. `space` maps what a search
    may change to its choices, see keras_vit.spaces.
    """

    def decorate(make):
        tables = (dict(variants), dict(sources or {}), small, dict(space or {}))
        family = Family(make.__name__, make.__module__, make, *tables)
        if not family.variants:
            raise ZooError(f"family {family.name!r} of {family.module} has an empty table of variants")
        for row, config in [*family.variants.items(), *([("small", small)] if small else [])]:
            if not dataclasses.is_dataclass(config) or isinstance(config, type):
                raise ZooError(f"variant {row!r} of {family.name!r} is {config!r}, not a dataclass instance")
        _registered.setdefault(family.name, {})[family.module] = family
        return make

    return decorate


def _offers():
    offers = installed()
    for name, modules in _registered.items():
        known = {offer.module for offer in offers.get(name, [])}
        offers.setdefault(name, []).extend(Offer(m, "registered by hand") for m in modules if m not in known)
    return offers


def list_families() -> list[str]:
    """Returns the names of all families, installed and registered; loads neither Keras nor a plug-in."""
    return sorted(_offers())


def offer_of(name: str) -> Offer:
    """Returns the one Offer of the family called `name`, without importing it; ZooError where there isn't one."""
    offers = _offers()
    if name not in offers:
        raise ZooError(f"no family {name!r}{did_you_mean(name, offers)}; the families are {', '.join(sorted(offers))}")
    if len(offers[name]) > 1:
        both = " and ".join(sorted(map(str, offers[name])))
        raise ZooError(f"{name!r} is offered by {both}: uninstall one, or rename the one you registered")
    return offers[name][0]


def family(name: str) -> Family:
    """Returns the Family called `name`, importing its module; ZooError where that can't be done."""
    offer = offer_of(name)
    if offer.module not in _registered.get(name, {}):
        _load(name, offer)
    return _registered[name][offer.module]


def _load(name, offer):
    backend.load("keras")  # a missing TensorFlow is no plug-in's fault
    try:
        importlib.import_module(offer.module)
    except Exception as error:
        raise ZooError(f"{offer}, which offers {name!r}, failed: {error!r}; update or uninstall it") from error
    if offer.module not in _registered.get(name, {}):
        raise ZooError(
            f"{offer} offers {name!r} but registers no such family; "
            f"it needs a function {name}(config) under @keras_vit.register(VARIANTS)"
        )


def list_models(pattern: str = "*") -> list[str]:
    """Returns the sorted names of the models that match the wildcard `pattern`, such as "vit-*" or "*-384".

    Imports the families that can match. A family that fails to load is left out with a warning.
    """
    names, literal = [], re.split(r"[*?\[]", pattern)[0]
    for start in list_families():
        if not f"{start}-".startswith(literal) and not literal.startswith(f"{start}-"):
            continue
        try:
            names += [join(start, row) for row in family(start).variants]
        except ZooError as error:
            warnings.warn(str(error), stacklevel=2)
    return sorted(name for name in names if fnmatchcase(name, pattern))


def resolve(name: str, overrides: Mapping[str, Any] | None = None) -> tuple[Family, Any]:
    """Returns the Family and the config of the model `name`, its fields replaced by `overrides`.

    Raises ZooError for what is unknown, and for a value that its field can't have.
    """
    start, row = split(name)
    found = family(start)
    if row not in found.variants:
        known = [join(start, each) for each in found.variants]
        raise ZooError(f"no model {name!r}{did_you_mean(name, known)}; {start} comes as {', '.join(known)}")
    config = found.variants[row]
    try:
        return found, dataclasses.replace(config, **followed(config, as_declared(name, config, overrides or {})))
    except ValueError as error:
        raise ZooError(str(error)) from error


def split(name: str) -> tuple[str, str]:
    """Returns (family, row of its table of variants) of the model's name, which need not exist."""
    if not isinstance(name, str):
        raise ZooError(f"a model is named by a string such as 'vit-b16', not by {name!r}")
    start, _, row = name.partition("-")
    return start, row


def join(start: str, row: str) -> str:
    """Returns the name of the variant `row` of the family `start`."""
    return f"{start}-{row}" if row else start
