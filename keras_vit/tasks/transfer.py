"""Training a part of a model: from a layer on, the head alone, or small matrices beside its attention."""

import keras
from keras import ops

from keras_vit import keras_internals
from keras_vit.heads import HEADS
from keras_vit.layers import MultiHeadAttention
from keras_vit.layers.recorded import adapt, plain
from keras_vit.training.optim.layer_decay import depths


def freeze(model: keras.Model, until: str) -> None:
    """Freezes the layers of `model` before the layer `until`, such as "block_3"; "head" leaves the heads alone.

    Call it before the optimizer is made. Frozen batch normalisations keep their statistics too. Raises ValueError
    for a layer that `model` doesn't have, or whose depth isn't known.
    """
    names = [layer.name for layer in model.layers if layer.weights]
    if until not in names:
        raise ValueError(f"{model.name} has no layer {until!r} to freeze until; it has {', '.join(names)}")
    if until in HEADS:
        frozen = set(names) - set(HEADS)
    else:
        known = depths(model)
        frozen = {name for name in names if known[name] < known[until]}
    for layer in model.layers:
        if layer.name in frozen:
            layer.trainable = False


def add_lora(model: keras.Model, rank: int, alpha: float | None = None) -> None:
    """Leaves only the heads of `model` and new matrices of `rank` beside each attention's projections to train.

    Low-rank adaptation, Hu et al. 2021 (arXiv 2106.09685): the kernels of "qkv" and "out" become
    W + alpha / rank * A B, where B begins at 0, so that the model computes what it did; `alpha` is `rank` unless
    given. Call it before the optimizer is made. Files that Keras saves of the model hold the sum, and new matrices that
    add nothing to it. Raises ValueError for a model without attention.
    """
    if not isinstance(rank, int) or rank < 1:
        raise ValueError(f"rank={rank!r}; a low-rank adaptation has a rank of at least 1")
    projections = _projections(model)
    if not projections:
        raise ValueError(f"{model.name} has no attention to adapt; freeze(model, until='head') trains its head alone")
    if has_lora(model):
        raise ValueError(f"{model.name} has low-rank matrices already; merge_lora adds them to its kernels")
    for layer in model.layers:
        if layer.name not in HEADS:
            _freeze_all_but(layer, projections)
    for dense in projections:
        adapt(dense, rank, alpha)


def has_lora(model: keras.Model) -> bool:
    """Returns whether `model` has the matrices of `add_lora`."""
    return any(dense.lora_enabled for dense in _projections(model))


def merge_lora(model: keras.Model) -> keras.Model:
    """Returns a new model that computes what `model` does, without the matrices of `add_lora`, trainable as any.

    Kernels are added up in float32, where the file that Keras saves rounds them to the precision of the arithmetic.
    """
    added = {}
    for dense in filter(lambda dense: dense.lora_enabled, _projections(model)):
        if dense.quantization_mode is not None:
            raise ValueError(
                f"{dense.path} of {model.name} is quantised to {dense.quantization_mode}, and low-rank matrices are "
                "added to float kernels alone; merge before model.quantize"
            )
        delta = ops.matmul(dense.lora_kernel_a.value, dense.lora_kernel_b.value)
        added[keras_internals.stored_kernel(dense).path] = dense.lora_alpha / dense.lora_rank * delta
    if not added:
        raise ValueError(f"{model.name} has no low-rank matrices to merge; add_lora adds them")
    # without the optimizer, which knows only what it trains
    merged = keras.models.clone_model(keras.Model(model.input, model.output, name=model.name), clone_function=plain)
    values = {weight.path: weight.value for weight in model.weights}
    for weight in merged.weights:
        weight.assign(values[weight.path] + added.get(weight.path, 0))
    return merged


def _freeze_all_but(layer, kept):
    """Freezes `layer` without the layers `kept` within it, of which the kernels alone may learn."""
    if not any(each is other for each in kept for other in (layer, *keras_internals.flat_layers(layer))):
        layer.trainable = False
        return
    for variable in keras_internals.learned_variables(layer):
        variable.trainable = False
    for part in keras_internals.sublayers(layer):
        _freeze_all_but(part, kept)


def _projections(model):
    attentions = [layer for layer in keras_internals.flat_layers(model) if isinstance(layer, MultiHeadAttention)]
    return [dense for layer in attentions for dense in (layer.qkv, layer.out)]
