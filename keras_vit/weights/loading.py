"""Fills a model from a checkpoint: every tensor on both sides is accounted for before one is assigned."""

import collections
import dataclasses
import os
from collections.abc import Sequence

import keras

from keras_vit import bundle, keras_internals
from keras_vit.heads import HEADS
from keras_vit.weights.files import file_of, open_checkpoint
from keras_vit.weights.plan import Owned, Plan
from keras_vit.weights.prefixes import WRAPPERS, readings
from keras_vit.weights.report import Report
from keras_vit.weights.suggest import sources_of
from keras_vit.weights.tensors import CheckpointError

_NEW_HEADS = (HEADS, (*HEADS, "fc_norm"))  # a backbone may lack the norm that begins the head, too


def load_weights(
    model: keras.Model,
    path: str | os.PathLike,
    source: str | None = None,
    leave: str | Sequence[str] = (),
    *,
    square: bool = False,
) -> Report:
    """Fills `model` from the checkpoint at `path` and returns a Report.

    Takes our own .weights.h5 and .keras, and the .safetensors and .npz of the publishers that the
    model's family knows; `source` names one of them, otherwise the one whose names fit is taken. The family is that of
    the model's origin (keras_vit.bundle); for a model without one all are tried, or `source` says it, as "swin/timm".
    `path` may be the index of several safetensors files, or a folder of transformers' `save_pretrained` or of a run.
    Prefixes that other tools put before all names, such as "module.", are taken off.
    `leave` holds beginnings of names: weights of ours, such as "head", that keep their initial values,
    and tensors of theirs that nothing needs, such as "pre_logits". Positions
    are resized to the model's grid and the first kernel is adapted to its channels. As many positions as the model has
    are taken for its own grid, unless `square` says that they fill a square one.

    A .keras file brings its preprocessing along, and its labels with its head. Any other says nothing of how images
    were prepared, and after it the model doesn't either.

    Raises CheckpointError where any other tensor on either side is left over, has another shape or type or holds a
    number that is not finite; the model is then untouched.

    >>> model.save("digits.keras")
    >>> report = keras_vit.load_weights(other, "digits.keras")
    >>> bool((model.predict(images, verbose=0) == other.predict(images, verbose=0)).all())
    True
    """
    return _load(model, path, source, [_beginnings(leave)], square)


def start_from(model: keras.Model, path: str | os.PathLike, source: str | None = None, square: bool = False) -> Report:
    """Does what `load_weights` does, but leaves the head of `model` new where that of the file doesn't fit it.

    So where the file has none, or one of other classes; of a head, if `model` has none, nothing is needed. The report's
    `of("left")` tells. A head that fits in part is refused as `load_weights` does.
    """
    return _load(model, path, source, [(), *_NEW_HEADS], square)


def _load(model, path, source, leaves, square):
    """Fills `model`, leaving out the first of `leaves` with which everything fits, or answers as for the very first."""
    path = file_of(path)
    told, owned = _bundle_of(path), _owned(model)
    with open_checkpoint(path) as (tensors, ours):
        known = {"keras_vit": None} if ours else _sources(model, owned, source, square)
        plan = first = _plan(model, known, owned, tensors, leaves[0])
        if plan.unknown:
            raise CheckpointError(
                f"leave={plan.unknown[0]!r} names no weight of {model.name} and no tensor of {str(path)!r}"
            )
        if not first.fits_a_head():
            for leave in leaves[1:]:
                if not plan.fits():
                    plan = _plan(model, known, owned, tensors, leave)
        if not plan.fits():
            plan = first
        _check_heads(model, plan)
        report = plan.carry_out(str(path))
    return dataclasses.replace(report, notes=(*report.notes, *_carry_over(model, plan, told)))


def _beginnings(leave):
    starts = leave if isinstance(leave, Sequence) and not isinstance(leave, str) else [leave]
    wrong = [each for each in starts if not isinstance(each, str) or not each]
    if wrong:
        raise CheckpointError(f"leave={wrong[0]!r} is no beginning of a name, such as 'head'")
    return tuple(starts)


def _bundle_of(path):
    try:
        return bundle.of_file(path)
    except Exception as error:  # of many kinds, by damage
        raise CheckpointError(f"{str(path)!r} can't be read as .keras: {error}") from error


def _owned(model):
    """Returns each weight of `model` with its layer, once; CheckpointError where two have one name."""
    found = {}
    for layer in keras_internals.flat_layers(model):
        for place, weight in enumerate(keras_internals.own_variables(layer)):
            found.setdefault(id(weight), Owned(weight, layer, place))
    names = collections.Counter(each.weight.path for each in found.values())
    twice = next((name for name, count in names.items() if count > 1), None)
    inner = [layer.name for layer in model.layers if isinstance(layer, keras.Model)]
    if not found:
        raise CheckpointError(f"{model.name} has no weights yet; build it, for instance by calling it on images")
    if twice is not None:
        each = f"load_weights({model.name}.get_layer({inner[0]!r}), …)" if inner else "load them by parts"
        raise CheckpointError(f"{model.name} has several weights called {twice}; load each model in it alone: {each}")
    return list(found.values())


def _sources(model, owned, source, square):
    shapes = {each.weight.path: tuple(each.weight.shape) for each in owned}
    return {name: rules.among(shapes, square) for name, rules in sources_of(model, source).items()}


def _plan(model, known, owned, tensors, leave):
    """Returns the plan that leaves least over; of several as good ones that of the shortest prefix."""
    inner = [f"{layer.name}/" for layer in keras_internals.flat_layers(model) if isinstance(layer, keras.Model)]
    best = None
    for reading in readings(tensors, leave, inner if None in known.values() else WRAPPERS):
        plan = _best(model, [Plan(model, each, owned, reading, tensors, leave) for each in known.items()])
        if best is None or plan.left_over < best.left_over:
            best = plan
        if not best.left_over:
            break
    return best


def _best(model, plans):
    """Returns the plan that leaves least over; CheckpointError where two leave nothing and fill differently."""
    first, *others = sorted(plans, key=lambda plan: plan.left_over)
    if not first.left_over:
        for other in others:
            if not other.left_over and other.filling() != first.filling():
                raise CheckpointError(
                    f"nothing says which family {model.name} is of, and the tensors fit {first.name} and {other.name}; "
                    f"say which: source={first.name!r}"
                )
    return first


def _check_heads(model, plan):
    """Raises CheckpointError where a trained head would be averaged with one that is left untrained."""
    heads = [head for head in HEADS if plan.has(head)]
    left = [head for head in heads if not plan.fills(head)]
    if len(heads) == len(HEADS) and len(left) == 1 and plan.fits() and not isinstance(model.output, dict):
        raise CheckpointError(
            f"{model.name} gives the mean of its two heads, and {left[0]} would stay untrained; for a file of one head "
            "build it with distillation='head', or leave both heads with leave='head'"
        )


def _carry_over(model, plan, told):
    """Makes what travels with `model` true of the weights that it has now, and returns what is to be said of that."""
    if not bundle.carries(model):
        return ()
    before = bundle.of(model)
    labels, notes = before.labels, ()
    if told.labels:
        units = [each.units for each in keras_internals.flat_layers(model) if each.name == HEADS[0]]
        if plan.fills(HEADS[0]) and len(told.labels) in units:
            labels, notes = told.labels, (f"its {len(told.labels)} labels are taken along with its head",)
        else:
            notes = (f"its {len(told.labels)} labels are not taken along: they are those of another head",)
    origin = before.origin and before.origin.partition(":")[0]  # what it began from is overwritten
    activation = told.activation if plan.fills(HEADS[0]) else before.activation
    bundle.update(model, preprocessing=told.preprocessing, labels=labels, origin=origin, activation=activation)
    return notes
