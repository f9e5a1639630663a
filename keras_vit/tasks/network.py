"""The network of a training as its options ask for it, whatever the task."""

import dataclasses
import logging
from collections.abc import Callable
from typing import Any

import keras

from keras_vit import bundle, data, models
from keras_vit.layers import pair
from keras_vit.nested import named
from keras_vit.tasks import transfer
from keras_vit.training.options import Options
from keras_vit.training.task import Learner

SHOWN = 5  # names of classes in a warning


def network_of(options: Options, source: data.Source, **needed: Any) -> keras.Model:
    """Returns the model that `options` name, built with what the task has `needed`, such as classes and channels.

    Layers that are not to be trained are frozen, low-rank matrices added. Raises ValueError for model options that
    contradict the task, and for a model of any size where no size is given.
    """
    wanted = needed | options.model.options
    for name, value in needed.items():
        if wanted[name] != value:
            raise ValueError(f"{name}={wanted[name]} does not match {source.name}, which has {value} {name}")
    if options.data.test_size is not None:
        wanted["image_size"] = None  # of any size, for it sees two
    elif options.data.image_size is not None:
        wanted["image_size"] = options.data.image_size
    model = models.build(options.model.name, weights=options.model.weights, **wanted)
    _tell_other_labels(model, options, source)
    if None in model.input_shape[1:] and options.data.test_size is None:
        raise ValueError(f"{options.model.name} takes images of any size; give {named('image_size')}")
    if options.model.lora is not None:
        transfer.add_lora(model, options.model.lora)
    if options.model.freeze is not None:
        transfer.freeze(model, options.model.freeze)
    return model


def _tell_other_labels(model, options, source):
    """Warns where the head that `model` began with tells as many classes apart as `source` has, but other ones."""
    labels = bundle.of(model).labels
    if labels and "label" in source.targets and labels != tuple(source.labels):
        logging.getLogger("keras_vit").warning(
            "the head of %s was trained to tell %s apart and goes on with %s, the classes of %s, in that order",
            options.model.weights,
            ", ".join(map(repr, labels[:SHOWN])),
            ", ".join(map(repr, source.labels[:SHOWN])),
            source.name,
        )


def learner_of(network: keras.Model, options: Options, kept: Callable[[], keras.Model] | None = None) -> Learner:
    """Returns the Learner of a network that is trained as it is, and gives it the preprocessing of its training.

    `kept()` returns the model to keep; `network` itself, without optimizer and low-rank matrices, unless given.
    """
    training = _preprocessing(network, options.data.image_size if options.data.test_size is not None else None)
    evaluation = _preprocessing(network, options.data.test_size)
    if options.data.crop is not None:
        evaluation = dataclasses.replace(evaluation, crop=options.data.crop)
    bundle.update(network, preprocessing=evaluation)
    return Learner(network, network, kept or (lambda: finished(network)), evaluation, training)


def finished(network: keras.Model) -> keras.Model:
    """Returns a model that shares the weights of `network`, without its optimizer; kernels with LoRA are new ones."""
    if transfer.has_lora(network):
        return transfer.merge_lora(network)
    return keras.Model(network.input, network.output, name=network.name)


def _preprocessing(model, image_size=None):
    """Returns the Preprocessing of the checkpoint that `model` began from, or else one that scales to -1 .. 1."""
    size = model.input_shape[1:3] if image_size is None else pair(image_size, "image_size")
    return data.model_preprocessing(model, size) or data.Preprocessing(size, model.input_shape[-1])
