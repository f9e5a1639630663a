"""Fills a model from a checkpoint: every tensor on both sides is accounted for before one is assigned."""

import os
import re
from collections.abc import Sequence
from typing import NamedTuple

import keras
import numpy as np

from keras_vit import bundle, keras_internals
from keras_vit.weights.adapt import adapt
from keras_vit.weights.files import CheckpointError, open_checkpoint
from keras_vit.weights.report import Report, Row
from keras_vit.weights.suggest import families_of, sources_of


class _Owned(NamedTuple):
    """A weight, its layer, and its place among the layer's own weights."""

    weight: object
    layer: object
    place: int


def load_weights(
    model: keras.Model, path: str | os.PathLike, source: str | None = None, leave: str | Sequence[str] = ()
) -> Report:
    """Fills `model` from the checkpoint at `path` and returns a Report.

    Takes our own .weights.h5 and .keras, and the .safetensors and .npz of the publishers that the
    model's family knows; `source` names one of them, otherwise the one whose names fit is taken. The family is that of
    the model's origin (keras_vit.bundle); for a model without one all are tried, or `source` says it, as "swin/timm".
    `leave` holds beginnings of names: weights of ours, such as "head", that keep their initial values,
    and tensors of theirs that nothing needs, such as "pre_logits". Positions
    are resized to the model's grid and the first kernel is adapted to its channels.

    A .keras file brings its preprocessing and labels along. Any other says nothing of how images were prepared, and
    after it the model doesn't either.

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
        sources = sources_of(model, source)
        plan = _best(model, [_Plan(name, rules, owned, arrays, leave) for name, rules in sources.items()])
    report = plan.carry_out(model, str(path))
    _carry_over(model, path, keeps_labels=bool(leave))
    return report


def _best(model, plans):
    """Returns the plan that leaves least over; CheckpointError where two leave nothing and fill differently."""
    first, *others = sorted(plans, key=lambda plan: len(plan.missing) + len(plan.unused))
    if not first.missing and not first.unused:
        for other in others:
            if not other.missing and not other.unused and other.filling() != first.filling():
                raise CheckpointError(
                    f"nothing says which family {model.name} is of, and the tensors fit {first.name} and {other.name}; "
                    f"say which: source={first.name!r}"
                )
    return first


def _carry_over(model, path, keeps_labels):
    """Makes what travels with `model` true of the weights that it has now."""
    if not bundle.carries(model):
        return
    told, before = bundle.of_file(path), bundle.of(model)
    labels = told.labels if told.labels and not keeps_labels else before.labels
    origin = before.origin and before.origin.partition(":")[0]  # what it began from is overwritten
    bundle.update(model, preprocessing=told.preprocessing, labels=labels, origin=origin)


def _owned(model):
    """Returns each weight of `model` with its layer, once."""
    found, seen = [], set()
    for layer in keras_internals.flat_layers(model):
        for place, weight in enumerate(keras_internals.own_variables(layer)):
            if id(weight) not in seen:
                seen.add(id(weight))
                found.append(_Owned(weight, layer, place))
    return found


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
            return [((f"{each.weight.path.rpartition('/')[0]}:{each.place}",), None)]
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

    def filling(self):
        """Returns what each weight is made of, and how."""
        return [(each.weight.path, names, make, self.source.layout) for each, names, make in self.filled]

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
