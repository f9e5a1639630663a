"""Maps of what counts that need no attention: every family has them."""

import keras
import numpy as np
from keras import ops

from keras_vit import layers
from keras_vit.analysis import flow
from keras_vit.analysis.gradients import logit_gradients, logits_of, target_of
from keras_vit.analysis.watching import watched
from keras_vit.keras_internals import call_node, producer
from keras_vit.taps import list_taps


def gradcam(model, images, layer=None, target=None):
    """Returns relu of the channels of a layer weighted by the mean gradients of a logit, (B, h, w)."""
    name = _default(model, images) if layer is None else layer
    _check(model, name)
    both = keras.Model(model.input, {"values": _output(model, name), "logits": logits_of(model.output)})
    found = {key: ops.convert_to_numpy(ops.cast(each, "float32")) for key, each in both(images, training=False).items()}
    target, values = target_of(found["logits"], target), found["values"].astype("float64")
    slopes = logit_gradients(model, images, target, outputs={name: values.shape})[name]
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


def occlusion(model, images, patch=None, value=0.0, target=None):
    """Returns by how much the probability of a class falls as each patch is painted `value`, (B, h, w).

    `patch` is a side in pixels, by default an eighth of the image's shorter one; the patches don't overlap, and the
    last of a row or column is what is left.
    """
    height, width = images.shape[1:3]
    patch = max(min(height, width) // 8, 1) if patch is None else patch
    if not isinstance(patch, int) or not 0 < patch <= max(height, width):
        raise ValueError(f"patch is a side from 1 to {max(height, width)} px, not {patch!r}")
    logits = np.asarray(logits_of(model.predict_on_batch(images)))
    target = target_of(logits, target)[:, None]
    falls = np.zeros((len(images), -(-height // patch), -(-width // patch)))
    for row, column in watched(list(np.ndindex(*falls.shape[1:])), "hiding patches"):
        painted = np.array(images)
        painted[:, row * patch : (row + 1) * patch, column * patch : (column + 1) * patch] = value
        left = np.asarray(logits_of(model.predict_on_batch(painted)))
        falls[:, row, column] = _probability(logits, target) - _probability(left, target)
    return falls


def candidates(model):
    """Returns the names of the layers of `model` that give a map of several cells, or tokens, in its order.

    Only those are named whose cells the head still reads.
    """
    if flow.head_reads_token(model):
        return [_last_read(model)]
    maps = [name for name in list_taps(model) if _is_layer(model, name) and len(_output(model, name).shape) == 4]
    pool = [each for each in model.layers if isinstance(each, keras.layers.GlobalAveragePooling2D)]
    before = [producer(model, call_node(model, each).input_tensors[0]).name for each in pool]
    found = [name for name in maps if name not in before] + before
    return [name for name in found if _output(model, name).shape[1:3] != (1, 1)]


def _default(model, images):
    """Returns the last of `candidates` whose map has several cells on images of this size."""
    if flow.head_reads_token(model):
        return _last_read(model)
    several = [name for name in candidates(model) if flow.grid_of(model, _output(model, name), images) != (1, 1)]
    return several[-1]


def _last_read(model):
    """Returns the layer whose tokens the class token reads last: what the patches become after it reaches no head."""
    blocks = [each for each in model.layers if isinstance(each, layers.TransformerBlock)]
    asking = [each for each in blocks if each.queries is not None]
    if asking:
        return [each for each in blocks if each.queries is None][-1].name
    return producer(model, call_node(model, blocks[-1]).input_tensors[0]).name


def _check(model, name):
    known = [each for each in list_taps(model) if _is_layer(model, each) and len(_output(model, each).shape) in (3, 4)]
    if name not in {*known, *candidates(model)}:
        raise ValueError(f"layer is one of {', '.join(known)}, not {name!r}")


def _is_layer(model, name):
    return any(layer.name == name for layer in model.layers)


def _output(model, name):
    return call_node(model, model.get_layer(name)).outputs[0]


def _probability(logits, target):
    """Returns the probability of `target` (B, 1) as (B,)."""
    e = np.exp(logits.astype("float64") - logits.max(axis=1, keepdims=True))
    return np.take_along_axis(e / e.sum(axis=1, keepdims=True), target, axis=1)[:, 0]
