"""Models as SavedModels for TensorFlow Serving, with their preprocessing and labels inside."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import keras

from keras_vit import backend, bundle

if TYPE_CHECKING:
    from keras_vit.data import Preprocessing

TOP = 5  # classes that serving_bytes returns, where there are so many


def export(
    model: keras.Model,
    folder: str | os.PathLike,
    labels: Sequence[str] | None = None,
    preprocessing: Preprocessing | None = None,
) -> Path:
    """Writes `model` as a SavedModel into the new folder `folder`, and returns its path.

    The signature `serving_default` takes "images", a normalised float32 batch (B, h, w, C), and returns
    "logits" and "probabilities" (B, classes), or the backbone's features. `serving_bytes` takes
    "image_bytes", a batch (B,) of encoded JPEG or PNG files, decodes and preprocesses them in the graph,
    and returns "classes", "probabilities" and "labels" (B, k), the k = 5 likeliest first.

    `labels` are the names of the classes, `preprocessing` is the keras_vit.data.Preprocessing that the model was
    trained with; unless given, those that travel with the model (keras_vit.bundle), and the classes' numbers where it
    has no labels. A model of 1 or 3 channels has both signatures, any other only the first, since image files hold no
    more. Raises ValueError before anything is written, as for a model that says nothing of its preprocessing.
    """
    if keras.backend.backend() != "tensorflow":
        raise ValueError(
            f"a SavedModel is TensorFlow's, but Keras runs on {keras.backend.backend()}: "
            "save the model as .keras and export it with KERAS_BACKEND=tensorflow"
        )
    folder = Path(folder)
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise ValueError(f"{str(folder)!r} is not empty; export to a new folder, such as {str(folder / '1')!r}")
    labels = labels_of(model, labels)
    preprocessing = _checked_preprocessing(model, preprocessing)
    archive = keras.export.ExportArchive()
    archive.track(model)
    _add_floats(archive, model)
    if preprocessing is not None:
        _add_bytes(archive, model, preprocessing, labels)
    _write(archive, folder)
    return folder


def _is_classifier(model):
    return not isinstance(model.output, dict) and len(model.output.shape) == 2


def labels_of(model: keras.Model, labels: Sequence[str] | None = None) -> list[str] | None:
    """Returns the names of `model`'s classes, `labels` if given, else those that travel with it or their numbers.

    None for a backbone. Raises ValueError where there are more or fewer labels than classes.
    """
    if not _is_classifier(model):
        if labels is not None:
            raise ValueError(f"{model.name} is a backbone without classes; labels={list(labels)!r} have no place")
        return None
    classes = model.output.shape[-1]
    where = "were given" if labels is not None else "travel with it"
    names = list(map(str, (bundle.of(model).labels or range(classes)) if labels is None else labels))
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
    """Returns what the model gives for `images`, in float32: clients know no bfloat16."""
    outputs = model(images, training=False)
    return keras.tree.map_structure(lambda x: keras.ops.cast(x, "float32"), outputs)


def _add_floats(archive, model):
    tf = backend.load("tensorflow")

    def serve(images):
        outputs = _features(model, images)
        if not _is_classifier(model):
            return outputs
        return {"logits": outputs, "probabilities": tf.nn.softmax(outputs)}

    spec = tf.TensorSpec((None, *model.input.shape[1:]), "float32", name="images")
    archive.add_endpoint("serving_default", serve, [spec])


def _add_bytes(archive, model, preprocessing, labels):
    tf = backend.load("tensorflow")
    shape = (*preprocessing.image_size, preprocessing.channels)

    def serve(image_bytes):
        def one(encoded):
            return preprocessing(preprocessing.decode(encoded))

        images = tf.map_fn(one, image_bytes, fn_output_signature=tf.TensorSpec(shape, "float32"))
        outputs = _features(model, images)
        if labels is None:
            return outputs
        probabilities, classes = tf.math.top_k(tf.nn.softmax(outputs), k=min(TOP, len(labels)))
        named = tf.gather(tf.constant(labels), classes)
        return {"classes": classes, "probabilities": probabilities, "labels": named}

    archive.add_endpoint("serving_bytes", serve, [tf.TensorSpec((None,), "string", name="image_bytes")])


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
