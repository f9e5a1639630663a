"""Fills a model from a checkpoint: every tensor on both sides is accounted for before one is assigned."""

import re
from typing import NamedTuple

import numpy as np

from keras_vit import registry
from keras_vit.weights.adapt import adapt
from keras_vit.weights.files import CheckpointError, open_checkpoint
from keras_vit.weights.report import Report, Row
from keras_vit.weights.suggest import families_of


class _Owned(NamedTuple):
    """A weight, its layer, and its place among the layer's own weights."""

    weight: object
    layer: object
    index: int


def load_weights(model, path, source=None, leave=()):
    """Fills `model` from the checkpoint at `path` and returns a Report.

    Takes our own .weights.h5 and .keras, and the .safetensors and .npz of the publishers that the
    model's family knows; `source` names one of them, otherwise the one whose names fit is taken.
    `leave` holds beginnings of names: weights of ours, such as "head", that keep their initial values,
    and tensors of theirs that nothing needs, such as "pre_logits". Positions
    are resized to the model's grid and the first kernel is adapted to its channels.

    Raises CheckpointError where any other tensor on either side is left over or has another shape; the
    model is then untouched.
    """
    arrays, ours = open_checkpoint(path)
    owned = _owned(model)
    leave = (leave,) if isinstance(leave, str) else tuple(leave)
    for start in leave:
        if not any(name.startswith(start) for name in (*arrays, *(each.weight.path for each in owned))):
            raise CheckpointError(f"leave={start!r} names no weight of {model.name} and no tensor of {str(path)!r}")
    if ours:
        plan = _Plan("keras_vit", None, owned, arrays, leave)
    else:
        plans = [_Plan(name, rules, owned, arrays, leave) for name, rules in _sources(model, source).items()]
        plan = min(plans, key=lambda each: len(each.missing) + len(each.unused))
    return plan.carry_out(model, str(path))


def _owned(model):
    """Returns each weight of `model` with its layer, once."""
    found, seen = [], set()
    for layer in model._flatten_layers(include_self=False):
        own = [*layer._trainable_variables, *layer._non_trainable_variables]
        for index, weight in enumerate(own):
            if id(weight) not in seen:
                seen.add(id(weight))
                found.append(_Owned(weight, layer, index))
    return found


def _sources(model, source):
    sources = registry.family(model.name.partition("-")[0]).sources
    if source is None and sources:
        return sources
    if source not in sources:
        known = ", ".join(sources) or "none"
        raise CheckpointError(f"the family of {model.name} knows no source {source!r}; it knows {known}")
    return {source: sources[source]}


class _Plan:
    """What would fill each weight if the tensors were named as `source` says; `source` None is ourselves."""

    def __init__(self, name, source, owned, arrays, leave):
        self.name, self.arrays = name, arrays
        self.source = source and source.among({each.weight.path: tuple(each.weight.shape) for each in owned})
        self.left = [each for each in owned if each.weight.path.startswith(leave)]
        self.filled, self.missing, used = [], [], set()
        left = {id(each.weight) for each in self.left}
        for each in owned:
            candidates = self._candidates(each)
            fitting = (one for one in candidates if all(name in arrays for name in one[0]))
            names, make = next(fitting, candidates[0])
            used.update(names)
            if id(each.weight) in left:
                continue
            if any(name not in arrays for name in names):
                sought = (", ".join(name for name in one if name not in arrays) for one, _ in candidates)
                self.missing.append(f"{each.weight.path} (sought as {' or '.join(sought)})")
            else:
                self.filled.append((each, names, make))
        used.update(self._names_below(leave))
        self.unused = [name for name in arrays if not (name in used or name.startswith(leave) or self._ignores(name))]

    def _candidates(self, each):
        if self.source is None:
            return [((f"{each.weight.path.rpartition('/')[0]}:{each.index}",), None)]
        return self.source.candidates(each.weight.path, each.layer)

    def _names_below(self, leave):
        """Returns what the tensors of layers called `leave` would be named, which a backbone has no weights for."""
        if self.source is None:
            return ()
        paths = [f"{start}/{leaf}" for start in leave for leaf in ("kernel", "bias")]
        return [name for path in paths for names, _ in self.source.candidates(path, None) for name in names]

    def _ignores(self, name):
        if self.source is None:
            return re.search(r"seed_generator[_\d]*:\d+$", name)
        return self.source.ignores(name)

    def carry_out(self, model, path):
        """Assigns all weights and returns the Report, or raises with the list of what doesn't fit."""
        ready, misfits = [], []
        for each, names, make in self.filled:
            row, array, why = self._fit(each, names, make)
            if array is None:
                misfits.append(why)
            else:
                ready.append((each.weight, array, row))
        if self.missing or self.unused or misfits:
            raise CheckpointError(self._complaint(model, path, misfits))
        for weight, array, _ in ready:
            weight.assign(array)
        rows = [row for *_, row in ready]
        rows += [Row(w.path, tuple(w.shape), "", "left as it was") for w in (each.weight for each in self.left)]
        return Report(path, self.name, rows)

    def _fit(self, each, names, make):
        weight, shape = each.weight, tuple(each.weight.shape)
        leaf = weight.path.rpartition("/")[2]
        arrays = [np.asarray(self.arrays[name]) for name in names]
        try:
            array = arrays[0] if self.source is None else self.source.array(shape, each.layer, leaf, arrays, make)
        except ValueError as error:
            return None, None, f"{weight.path}: {error}"
        fitted = adapt(each.layer, weight.path, array, shape)
        if fitted is None:
            return None, None, f"{weight.path} is {shape}, {', '.join(names)} is {array.shape}"
        return Row(weight.path, shape, ", ".join(names), fitted[1]), fitted[0], None

    def _complaint(self, model, path, misfits):
        parts = [f"{path!r} doesn't fit {model.name} (taken as {self.name} names):"]
        for title, lines in (
            ("no tensor for", self.missing),
            ("no weight for", self.unused),
            ("another shape", misfits),
        ):
            if lines:
                parts.append(f"  {title} ({len(lines)}):" + "".join(f"\n    {line}" for line in lines))
        if self.source is not None and len(self.missing) > len(self.filled):
            fitting = families_of(self.arrays)
            parts.append(f"  its names are those of: {', '.join(fitting) or 'no family that is known'}")
        if any(line.startswith("head/") for line in misfits):
            parts.append("  for a head of your own pass leave='head'")
        return "\n".join(parts)
