"""Models by name, with or without weights, and how large they are and how much they compute."""

import logging
import math
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, cast

import keras

from keras_vit import backend, bundle, files, registry, saved
from keras_vit.graphs import flat
from keras_vit.weights import CheckpointError, Report, fetch, load_weights, published, start_from


def build(name: str | os.PathLike, weights: str | os.PathLike | None = None, **overrides: Any) -> keras.Model:
    """Builds the model called `name`; `keras_vit.build` says how."""
    if files.is_path(name, registry.list_families()):
        return _trained(name, weights, overrides)
    name = cast(str, name)  # else the registry says what it is
    model = make(name, *registry.resolve(name, overrides))
    if weights is not None:
        _start_from(model, weights, "classes" in overrides)
    return model


def make(name: str, family: registry.Family, config: Any) -> keras.Model:
    """Returns the untrained model of `config`, which knows that it is the one called `name`."""
    model = family.make(config)
    model.name = name
    bundle.update(model, origin=name)
    return model


def model_of(model: keras.Model | str | os.PathLike, shape: tuple | None = None) -> keras.Model:
    """Returns `model` itself, or the one that is named: the folder of a run, a .keras file, or "MODEL:WEIGHTS".

    WEIGHTS, as in "vit-b16:augreg_in21k_ft_in1k", is the tag of a published checkpoint, which the hub's cache keeps, or
    a path. The model is built for images of `shape` (B, H, W, C) where that is given, else as it was published. Raises
    ValueError for a name alone: what a network looks at before training means nothing, and is to be asked for by giving
    a built one. A model that holds models as layers comes as one graph of all their layers (keras_vit.graphs).
    """
    if not isinstance(model, str | os.PathLike):
        return flat(model)
    model = os.fspath(model)
    name, _, weights = model.partition(":")
    file = saved.file_of(model)
    if file is not None or (not weights and files.is_path(model, registry.list_families())):
        return saved.load(file or model)
    if not weights:
        known = next(iter(published(name)), "path/to/checkpoint.safetensors")
        raise ValueError(
            f"{model!r} says nothing of weights; name some, as in '{name}:{known}', or give a model, such as the "
            f"untrained keras_vit.build({name!r})"
        )
    fitting = {} if shape is None or len(shape) != 4 else {"image_size": tuple(shape[1:3]), "channels": shape[3]}
    return build(name, weights=weights, **fitting)


def _trained(path, weights, overrides):
    """Returns the model that lies at `path`; ValueError where it is asked to be another one."""
    if weights is not None or overrides:
        raise ValueError(
            f"{os.fspath(path)!r} is a trained model, which is taken as it is; to change it, build its network and "
            f"take its weights: {_rebuilding(path, overrides)}"
        )
    return saved.load(path)


def _rebuilding(path, overrides):
    """Returns the call that builds the network of the model at `path`, changed by `overrides`, with its weights."""
    name, own = "NAME", {}
    if saved.is_run(path):
        asked = files.read_json(Path(path) / saved.OPTIONS)["options"]
        name, size = asked.get("model", name), asked.get("image_size")
        own = {**(asked.get("model_options") or {}), **({} if size is None else {"image_size": size})}
    elif (file := saved.file_of(path)) is not None and (origin := bundle.of_file(file).origin):
        name = origin.partition(":")[0]
    changed = "".join(f", {key}={value!r}" for key, value in {**own, **overrides}.items())
    return f"build({name!r}, weights={os.fspath(path)!r}{changed})"


def check_head(name: str, model: keras.Model) -> None:
    """Raises ValueError where `name` is a published checkpoint that doesn't fill the head of `model`.

    What such a head says of classes is chance, and as a file or as a service it would say so for good.
    """
    known, _, tag = name.partition(":")
    if tag and bundle.of(model).origin == name and (has := published(known)[tag].classes) != _classes(model):
        raise ValueError(
            f"{name!r} can't name classes: the checkpoint has {has} classes and the model {_classes(model)}, "
            "so its head is new; name a classifier, or train it first, as in keras-vit train classify --weights"
        )


def _start_from(model, weights, new_head):
    """Fills `model` from `weights`, the tag of a published checkpoint or a path.

    A checkpoint without a head, or with one of other classes, leaves the model's head as it is, with a warning
    that shows the report; a file does so only with `new_head`, for nobody asked for an untrained head who didn't say
    how many classes it has. A published one brings its preprocessing along, a .keras file its own.
    """
    known = published(model.name) if isinstance(weights, str) else {}
    if weights not in known:
        if not Path(weights).exists() and isinstance(weights, str) and not Path(weights).suffix:
            raise CheckpointError(
                f"{model.name} has no published checkpoint {weights!r}; it has {', '.join(known) or 'none'}; "
                f"and there is no file of that name"
            )
        _tell_new_head(model, weights, start_from(model, weights) if new_head else load_weights(model, weights))
        return
    checkpoint = known[weights]
    square = len(set(checkpoint.image_size)) == 1
    _tell_new_head(model, weights, start_from(model, fetch(checkpoint), checkpoint.source, square))
    bundle.update(model, preprocessing=checkpoint.preprocessing, origin=f"{model.name}:{weights}")


def _tell_new_head(model: keras.Model, weights: str | os.PathLike, report: Report) -> None:
    logger = logging.getLogger("keras_vit")
    if report.of("left"):
        theirs = "no head" if report.classes is None else f"{report.classes} classes"
        logger.warning("%s has %s, the model %d: its head is new\n%s", weights, theirs, _classes(model), report)
    elif report.classes and not _classes(model):
        told = "the head of %s, of %d classes, is left out: %s gives features"
        logger.warning(told, weights, report.classes, model.name)


def _classes(model):
    output = model.output
    if isinstance(output, dict):
        return 0 if "map" in output else next(iter(output.values())).shape[-1]
    return output.shape[-1]


def count_parameters(name: str, **overrides: Any) -> int:
    """Returns the number of trainable weights of the model called `name`."""
    return _of_unborn(name, overrides, _parameters)


def count_macs(name: str, **overrides: Any) -> int:
    """Returns the multiply-accumulates of one image through the model called `name`.

    Counts what its graph multiplies: products of matrices and convolutions, of which a ViT's attention is
    two; a bias, a norm or an activation counts nothing. Needs TensorFlow. Raises ValueError where the model
    takes any size and none is given.
    """
    return _of_unborn(name, overrides, _macs)


def count_both(name: str, **overrides: Any) -> tuple[int, int]:
    """Returns (count_parameters, count_macs) of the model called `name`, building it once."""
    return _of_unborn(name, overrides, lambda model: (_parameters(model), _macs(model)))


def _of_unborn(name, overrides, measure):
    found, config = registry.resolve(name, overrides)

    def run():
        with keras.StatelessScope(initialize_variables=False):
            return measure(found.make(config))

    # Keras keeps the unborn weights for later in the state of the thread: one that ends forgets them
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(run).result()


def _parameters(model):
    return sum(math.prod(weight.shape) for weight in model.trainable_weights)


def _macs(model):
    tf = backend.load("tensorflow")
    if None in model.input.shape[1:]:
        raise ValueError(f"{model.name} takes images of any size; say which: image_size=224")
    with tf.Graph().as_default() as graph:
        weights = [
            [tf.compat.v1.placeholder(weight.dtype, weight.shape) for weight in some]
            for some in (model.trainable_variables, model.non_trainable_variables)
        ]
        model.stateless_call(*weights, tf.compat.v1.placeholder("float32", (1, *model.input.shape[1:])))
        return sum(_COUNTS[op.type](op) for op in graph.get_operations() if op.type in _COUNTS)


def _matmul(op):
    left = op.inputs[0].shape
    inner = left[-2] if op.get_attr("transpose_a" if op.type == "MatMul" else "adj_x") else left[-1]
    return op.outputs[0].shape.num_elements() * inner


def _convolution(op):
    height, width, channels, _ = op.inputs[1].shape
    return op.outputs[0].shape.num_elements() * height * width * channels


def _depthwise(op):
    height, width = op.inputs[1].shape[:2]
    return op.outputs[0].shape.num_elements() * height * width


def _einsum(op):
    terms, _, _ = op.get_attr("equation").decode().partition("->")
    sides = {}
    for term, tensor in zip(terms.split(","), op.inputs, strict=True):
        sides |= dict(zip(term, tensor.shape, strict=True))
    return math.prod(sides.values()) if len(op.inputs) > 1 else 0


_COUNTS = {
    "MatMul": _matmul,
    "BatchMatMulV2": _matmul,
    "Conv2D": _convolution,
    "DepthwiseConv2dNative": _depthwise,
    "Einsum": _einsum,
}
