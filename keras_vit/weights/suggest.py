"""Which families a checkpoint would fit, for the message that it doesn't fit this one."""

import warnings
from concurrent.futures import ThreadPoolExecutor

import keras

from keras_vit import registry


def families_of(names):
    """Returns the families, and of each the source, whose tensors `names` seem to be, such as ["swin (timm names)"].

    A family is one if every tensor that its small configuration would read is among `names`.
    """
    names = set(names)
    with ThreadPoolExecutor(1) as thread, warnings.catch_warnings():  # see models.py for why a thread
        warnings.simplefilter("ignore")
        return thread.submit(_search, names).result()


def _search(names):
    found = []
    for name in registry.list_families():
        try:
            family = registry.family(name)
        except registry.ZooError:
            continue  # a broken plug-in has its own message, when it is asked for
        if not family.sources:
            continue
        with keras.StatelessScope(initialize_variables=False):
            model = family.make(family.small or next(iter(family.variants.values())))
            found += [f"{name} ({key} names)" for key, source in family.sources.items() if _fits(model, source, names)]
    return found


def _fits(model, source, names):
    source = source.among({weight.path: tuple(weight.shape) for weight in model.weights})
    for layer in model._flatten_layers(include_self=False):
        for weight in (*layer._trainable_variables, *layer._non_trainable_variables):
            candidates = source.candidates(weight.path, layer)
            if not any(names.issuperset(tensors) for tensors, _ in candidates):
                return False
    return True
