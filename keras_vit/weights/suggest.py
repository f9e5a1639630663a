"""Which families a checkpoint could be of: for a model that doesn't say its own, and for the message that none fits."""

import warnings
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor

import keras

from keras_vit import bundle, keras_internals, registry
from keras_vit.layers.images import Images
from keras_vit.weights.sources import Source
from keras_vit.weights.tensors import CheckpointError


def sources_of(model: keras.Model, source: str | None = None) -> dict[str, Source]:
    """Returns {name: Source} of the checkpoints that may fill `model`, only the one called `source` where it is given.

    They are those of the model's own family; for a model that doesn't say which it is those of every family, called as
    in "swin/timm". Raises CheckpointError where there are none.
    """
    family = _family(model)
    if family is not None:
        known, owner = registry.family(family).sources, f"the family of {model.name}"
    else:
        known = {f"{each.name}/{key}": one for each in _families() for key, one in each.sources.items()}
        owner = f"{model.name}, which doesn't say its family,"
    if source is None and known:
        return known
    if source is None or source not in known:
        raise CheckpointError(f"{owner} knows no source {source!r}; it knows {', '.join(known) or 'none'}")
    return {source: known[source]}


def _family(model):
    """Returns the family of `model`, or that of the one model of ours that it contains; None where neither is known."""
    inside = {each.bundle.family for each in keras_internals.flat_layers(model) if isinstance(each, Images)}
    return bundle.of(model).family or (inside.pop() if len(inside) == 1 else None)


def families_of(readings: Sequence[Iterable[str]]) -> list[str]:
    """Returns the families, and of each the source, whose tensors are called so, such as ["swin (timm names)"].

    A family is one if every tensor that its small configuration would read is among the names of one of `readings`.
    """
    with ThreadPoolExecutor(1) as thread, warnings.catch_warnings():  # see models.py for why a thread
        warnings.simplefilter("ignore")
        return thread.submit(_search, readings).result()


def _families():
    for name in registry.list_families():
        try:
            yield registry.family(name)
        except registry.ZooError:
            continue  # a broken plug-in has its own message, when it is asked for


def _search(readings):
    found = []
    for family in _families():
        if not family.sources:
            continue
        with keras.StatelessScope(initialize_variables=False):
            model = family.make(family.small or next(iter(family.variants.values())))
            fitting = [
                key for key, source in family.sources.items() if any(_fits(model, source, names) for names in readings)
            ]
        found += [f"{family.name} ({key} names)" for key in fitting]
    return found


def _fits(model, source, names):
    source = source.among({weight.path: tuple(weight.shape) for weight in model.weights})
    names = set(source.plain({name: name for name in names}))
    for layer in keras_internals.flat_layers(model):
        for weight in keras_internals.own_variables(layer):
            candidates = source.candidates(weight.path, layer)
            if not any(names.issuperset(tensors) for tensors, _ in candidates):
                return False
    return True
