"""Models as SavedModels for TensorFlow Serving, with their preprocessing and labels inside."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import keras

from keras_vit import backend, bundle, keras_internals, outputs
from keras_vit.files import local_path
from keras_vit.labels import names_of

if TYPE_CHECKING:
    from keras_vit.data import Preprocessing

TOP = 5  # classes that serving_bytes returns, where there are so many
OK, UNREADABLE = "ok", "no image"  # what serving_bytes says of each file


def export(
    model: keras.Model,
    folder: str | os.PathLike,
    labels: Any = None,
    preprocessing: Preprocessing | None = None,
) -> Path:
    """Writes `model` as a SavedModel into the new folder `folder`, and returns its path.

    The signature `serving_default` takes "images", a float32 batch (B, h, w, C), normalised as
    `keras_vit.preprocessing(model)` does, not pixels of 0 to 255, and returns "logits" and "probabilities"
    (B, classes), or the backbone's features. `serving_bytes` takes
    "image_bytes", a batch (B,) of encoded JPEG or PNG files, decodes and preprocesses them in the graph,
    and returns "classes", "probabilities" and "labels" (B, k), the k = 5 likeliest first, and "status" (B,), "ok" or
    for a file that can't be decoded "no image", whose classes are -1, its probabilities (or features) 0, its labels "".
    Images of another shape are an error of the request (INVALID_ARGUMENT); an empty batch has an empty answer.

    Probabilities are the softmax or the sigmoids of the logits, as the model's last layer or what travels with it
    says (keras_vit.outputs). `labels` are the names of the classes, in any form that keras_vit.labels.names_of takes;
    `preprocessing` is the keras_vit.data.Preprocessing that the model was trained with; unless given, those that
    travel with the model (keras_vit.bundle), and the classes' numbers where it has no labels. A model of 1 or 3
    channels has both signatures, any other only the first, since image files hold no more. Raises ValueError before
    anything is written, as for a model that says nothing of its preprocessing or its outputs.

    >>> folder = keras_vit.export(model, "served/1", labels=list("abcdefghij"))
    >>> serve = tf.saved_model.load(folder).signatures["serving_bytes"]
    >>> with open("cat.png", "rb") as file:
    ...     answer = serve(tf.constant([file.read()]))
    >>> sorted(answer), answer["labels"].shape
    (['classes', 'labels', 'probabilities', 'status'], TensorShape([1, 5]))
    """
    if keras.backend.backend() != "tensorflow":
        raise ValueError(
            f"a SavedModel is TensorFlow's, but Keras runs on {keras.backend.backend()}: "
            "save the model as .keras and export it with KERAS_BACKEND=tensorflow"
        )
    folder = local_path(folder)
    model = keras_internals.functional(model) or model
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        beside = folder.parent if folder.name.isdecimal() else folder
        raise ValueError(f"{str(folder)!r} is not empty; export to a new folder, such as {str(free_version(beside))!r}")
    labels = labels_of(model, labels)
    preprocessing = _checked_preprocessing(model, preprocessing)
    activation = None
    if labels is not None:
        model, activation = outputs.with_logits(model)
    archive = keras.export.ExportArchive()
    archive.track(model)
    _add_floats(archive, model, activation)
    if preprocessing is not None:
        _add_bytes(archive, model, activation, preprocessing, labels)
    _write(archive, folder)
    return folder


def free_version(folder: str | os.PathLike) -> Path:
    """Returns the path of the next version in `folder`, such as served/3 beside served/1 and served/2.

    TensorFlow Serving serves the folder with the highest number.
    """
    folder = Path(folder)
    taken = [int(each.name) for each in folder.iterdir() if each.name.isdecimal()] if folder.is_dir() else []
    return folder / str(max(taken, default=0) + 1)


def _is_classifier(model):
    return not isinstance(model.output, dict) and len(model.output.shape) == 2


def labels_of(model: keras.Model, labels: Any = None) -> list[str] | None:
    """Returns the names of `model`'s classes, `labels` if given, else those that travel with it or their numbers.

    None for a backbone. Raises ValueError where there are more or fewer labels than classes.
    """
    if not _is_classifier(model):
        if labels is not None:
            raise ValueError(f"{model.name} is a backbone without classes; labels={labels!r} have no place")
        return None
    classes = model.output.shape[-1]
    where = "were given" if labels is not None else "travel with it"
    names = list(map(str, bundle.of(model).labels or range(classes)) if labels is None else names_of(labels))
    if len(names) != classes:
        raise ValueError(f"{model.name} has {classes} classes, but {len(names)} labels {where}; name each with labels=")
    return names


def _checked_preprocessing(model, preprocessing):
    """Returns the preprocessing of serving_bytes, or None where image files can't feed the model."""
    height, width, channels = model.input.shape[1:]
    if preprocessing is None and channels in (1, 3):
        preprocessing = backend.load("keras_vit.data").model_preprocessing(model)
        if preprocessing is None:
            raise ValueError(
                f"nothing says how images were prepared for {model.name}; say it with preprocessing="
                "keras_vit.data.Preprocessing(image_size, channels, mean, std, interpolation, crop), or once for all "
                "with keras_vit.bundle.update(model, preprocessing=...) before it is saved"
            )
    if preprocessing is None:
        return None
    given = (*preprocessing.image_size, preprocessing.channels)
    if any(side not in (None, got) for side, got in zip((height, width, channels), given, strict=True)):
        raise ValueError(f"preprocessing gives images {given}, but {model.name} takes {(height, width, channels)}")
    return preprocessing


def _features(model, images):
    """Returns what the model gives for `images`, in float32, since clients know no bfloat16; nothing for none.

    Kernels of convolutions and products may end the process on an empty batch: one black image is computed instead.
    """
    tf = backend.load("tensorflow")
    shape = tf.shape(images)
    some = tf.cond(shape[0] > 0, lambda: images, lambda: tf.zeros(tf.concat([[1], shape[1:]], 0)))
    some = tf.ensure_shape(some, images.shape)
    given = model(some, training=False)
    return keras.tree.map_structure(lambda x: tf.cast(x, "float32")[: shape[0]], given)


def _activate(logits, activation):
    tf = backend.load("tensorflow")
    return tf.nn.softmax(logits) if activation == "softmax" else tf.sigmoid(logits)


def _add_floats(archive, model, activation):
    tf = backend.load("tensorflow")
    shape = (None, *model.input.shape[1:])

    def serve(images):
        # checked as it runs: a server hands over what it is sent, and kernels end the process on other shapes
        given = _features(model, tf.ensure_shape(images, shape))
        return given if activation is None else {"logits": given, "probabilities": _activate(given, activation)}

    archive.add_endpoint("serving_default", serve, [tf.TensorSpec(shape, "float32", name="images")])


def _add_bytes(archive, model, activation, preprocessing, labels):
    tf = backend.load("tensorflow")
    shape = (*preprocessing.image_size, preprocessing.channels)
    spec = (tf.TensorSpec(shape, "float32"), tf.TensorSpec((), "bool"))

    def serve(image_bytes):
        decode = _decoder(preprocessing)
        images, known = tf.map_fn(decode, tf.ensure_shape(image_bytes, (None,)), fn_output_signature=spec)
        given = _features(model, images)
        status = tf.where(known, OK, UNREADABLE)
        if activation is None:
            named = given if isinstance(given, dict) else {"output_0": given}
            return {**{name: _where(known, x, 0.0) for name, x in named.items()}, "status": status}
        probabilities, classes = tf.math.top_k(_activate(given, activation), k=min(TOP, len(labels)))
        return {
            "classes": _where(known, classes, -1),
            "probabilities": _where(known, probabilities, 0.0),
            "labels": _where(known, tf.gather(tf.constant(labels), classes), ""),
            "status": status,
        }

    archive.add_endpoint("serving_bytes", serve, [tf.TensorSpec((None,), "string", name="image_bytes")])


def _decoder(preprocessing):
    """Returns a function from the bytes of a file to its prepared image (h, w, C) and whether it is one.

    A graph can't catch an error, but a data set can leave out the example that it came from.
    """
    tf = backend.load("tensorflow")
    empty = tf.zeros((0, 0, preprocessing.channels), "uint8")

    def decode(encoded):
        read = tf.data.Dataset.from_tensors(encoded).map(preprocessing.decode).ignore_errors()
        image = read.concatenate(tf.data.Dataset.from_tensors(empty)).take(1).get_single_element()
        known = tf.size(image) > 0
        image = tf.cond(known, lambda: image, lambda: tf.zeros((1, 1, preprocessing.channels), "uint8"))
        return preprocessing.prepare(image), known

    return decode


def _where(known, values, otherwise):
    """Returns `values` (B, ...) where `known` (B,), `otherwise` elsewhere."""
    tf = backend.load("tensorflow")
    along = tf.reshape(known, (-1, *(1,) * (len(values.shape) - 1)))
    return tf.where(along, values, tf.constant(otherwise, values.dtype))


def _write(archive, folder):
    """Writes beside `folder` first, so that a server never sees half a model."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    beside = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
    try:
        with open(os.devnull, "w") as quiet, contextlib.redirect_stdout(quiet):
            archive.write_out(str(beside / "model"), verbose=False)
        if folder.exists():
            folder.rmdir()  # an empty folder; anything else was refused
        os.replace(beside / "model", folder)
    finally:
        shutil.rmtree(beside, ignore_errors=True)
