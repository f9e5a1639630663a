"""Maps of what counts that need no attention: every family has them."""

from collections.abc import Sequence

import keras
import numpy as np
from keras import ops

from keras_vit import heads
from keras_vit.analysis import flow
from keras_vit.analysis.cells import layers_with_cells
from keras_vit.analysis.gradients import logit_gradients, logits_of, of_logits, target_of
from keras_vit.analysis.watching import watched
from keras_vit.keras_internals import call_node, producer
from keras_vit.outputs import probabilities_of
from keras_vit.taps import block_of


def gradcam(
    model: keras.Model, images: np.ndarray, layer: str | None = None, target: int | Sequence[int] | None = None
) -> np.ndarray:
    """Returns relu of the channels of a layer weighted by the mean gradients of a logit, (B, h, w)."""
    model, _ = of_logits(model)
    name = _default(model, images) if layer is None else layer
    _check(model, images, name)
    both = keras.Model(model.input, {"values": _output(model, name), "logits": logits_of(model.output)})
    found = {key: ops.convert_to_numpy(ops.cast(each, "float32")) for key, each in both(images, training=False).items()}
    classes, values = target_of(found["logits"], target), found["values"].astype("float64")
    slopes = logit_gradients(model, images, classes, outputs={name: values.shape})[name]
    if values.ndim == 3:
        grid = flow.token_grid(model, images)
        values, slopes = (each[:, -grid[0] * grid[1] :].reshape(len(each), *grid, -1) for each in (values, slopes))
    if not slopes.any():
        earlier = _default(model, images)
        raise ValueError(
            f"the logits of {model.name} don't depend on {name!r} at all: its head is all zeros, as before training"
            if name == earlier
            else f"no logit of {model.name} depends on the cells that {name!r} gives, only on the tokens before them; "
            f"take an earlier layer, such as {earlier!r}"
        )
    return np.maximum(np.einsum("bd,bhwd->bhw", slopes.mean(axis=(1, 2)), values), 0)


def occlusion(
    model: keras.Model,
    images: np.ndarray,
    patch: int | None = None,
    value: float = 0.0,
    target: int | Sequence[int] | None = None,
) -> np.ndarray:
    """Returns by how much the probability of a class falls as each patch is painted `value`, (B, h, w).

    `patch` is a side in pixels, by default an eighth of the image's shorter one; the patches don't overlap, and the
    last of a row or column is what is left.
    """
    model, activation = of_logits(model)
    height, width = images.shape[1:3]
    patch = max(min(height, width) // 8, 1) if patch is None else patch
    if not isinstance(patch, int) or not 0 < patch <= max(height, width):
        raise ValueError(f"patch is a side from 1 to {max(height, width)} px, not {patch!r}")
    logits = np.asarray(logits_of(model.predict_on_batch(images)))
    classes = target_of(logits, target)[:, None]
    falls = np.zeros((len(images), -(-height // patch), -(-width // patch)))
    for row, column in watched(list(np.ndindex(*falls.shape[1:])), "hiding patches"):
        painted = np.array(images)
        painted[:, row * patch : (row + 1) * patch, column * patch : (column + 1) * patch] = value
        left = np.asarray(logits_of(model.predict_on_batch(painted)))
        before, after = (probabilities_of(each, activation) for each in (logits, left))
        falls[:, row, column] = np.take_along_axis(before - after, classes, axis=1)[:, 0]
    return falls


def has_map(model: keras.Model) -> bool:
    """Returns whether a layer of `model` gives a map of several cells, or tokens."""
    return any(_output(model, name).shape[1:3] != (1, 1) for name in layers_with_cells(model))


def _default(model, images):
    """Returns the last layer whose cells the head reads, and which has several of them on images of this size."""
    if heads.reading(model) is None:
        raise ValueError(f"of {model.name} {flow.UNSAID}; or give the layer")
    if flow.reading(model).pool == "token":
        return _last_read(model)
    maps = [name for name in layers_with_cells(model) if len(_output(model, name).shape) == 4]
    pooled = _pooled(model)  # the last of them, though its own name may be no tap
    found = [name for name in maps if name not in pooled] + pooled
    return [name for name in found if flow.grid_of(model, _output(model, name), images) != (1, 1)][-1]


def _pooled(model):
    """Returns the name of the layer whose map `heads.classify` averages; nothing where another head does so."""
    pools = [layer for layer in model.layers if layer.name == "pool"]
    return [producer(model, call_node(model, each).input_tensors[0]).name for each in pools]


def _last_read(model):
    """Returns the layer whose tokens the class token reads last: what the patches become after it reaches no head."""
    blocks = [block_of(model, name) for name in flow.attention_names(model)]
    if not blocks:
        raise ValueError(f"the head of {model.name} reads a token, to which no attention leads; give the layer")
    asked = [each for each in blocks if getattr(each, "queries", None) is None]
    if len(asked) < len(blocks):
        return asked[-1].name
    return producer(model, call_node(model, blocks[-1]).input_tensors[0]).name


def _check(model, images, name):
    known = layers_with_cells(model)
    if name not in known and name != _default(model, images):
        raise ValueError(f"layer is one of {', '.join(known)}, not {name!r}")


def _output(model, name):
    return call_node(model, model.get_layer(name)).outputs[0]
