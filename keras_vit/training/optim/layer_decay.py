"""Smaller steps for earlier layers, as the papers fine-tune: the depth of each layer, and its factor of the rate."""

import re

import keras

_STEM = re.compile(r"conv_\d+(_norm)?")  # what a convolutional stem makes of pixels
_FIRST = {"embed", "embed_norm", "pre_norm", "position", "class_token", "distillation_token", "registers"}
_LAST = {"norm", "fc_norm", "head", "head_dist"}
_BLOCK = re.compile(r"block_(\d+)|stage_(\d+)_block_(\d+)|class_block_(\d+)")
_BEFORE_BLOCK = re.compile(r"bias_(\d+)")  # of BEiT's relative positions
_BEFORE_STAGE = re.compile(r"stage_(\d+)_(downsample|downsample_norm|merge)")


def depths(model: keras.Model) -> dict[str, int]:
    """Returns {layer name: depth} of the layers of `model` that have weights, by their public names.

    0 is all that makes tokens of pixels, with positions and special tokens; the blocks follow from 1 on,
    those of all stages counted through, CaiT's class blocks after the others; the last depth holds the
    final norm and the heads. What leads from stage to stage has the depth of the block after it. As in
    BEiT (Bao et al. 2021, arXiv 2106.08254). Raises ValueError for a name that tells no depth.
    """
    names = [layer.name for layer in model.layers if layer.weights]
    blocks = sorted(filter(_BLOCK.fullmatch, names), key=_block_order)
    place = {name: i for i, name in enumerate(blocks, start=1)}
    return {name: _depth(name, place, model.name) for name in names}


def _block_order(name):
    plain, stage, within, class_block = _BLOCK.fullmatch(name).groups()
    if class_block is not None:
        return (1, int(class_block), 0)
    return (0, int(plain), 0) if stage is None else (0, int(stage), int(within))


def _depth(name, place, model):
    if name in _FIRST or _STEM.fullmatch(name):
        return 0
    if name in _LAST:
        return len(place) + 1
    if found := _BEFORE_BLOCK.fullmatch(name):
        name = f"block_{found[1]}"
    if found := _BEFORE_STAGE.fullmatch(name):
        name = f"stage_{found[1]}_block_0"
    if name not in place:
        known = ", ".join(sorted(_FIRST | _LAST))
        raise ValueError(
            f"the depth of layer {name!r} of {model} isn't known; names that tell it are {known}, "
            "block_3 and stage_1_block_2"
        )
    return place[name]


def rate_scales(model: keras.Model, layer_decay: float) -> dict[str, float]:
    """Returns {path: factor of the learning rate} of the trainable variables of `model`.

    It is `layer_decay` ** (last depth - depth): 1 for the head, and by `layer_decay`, in (0, 1], less for
    each layer before it. With 1 every model is taken, whatever its layers are called.
    """
    if not 0 < layer_decay <= 1:
        raise ValueError(f"layer_decay={layer_decay!r}; it is above 0 and at most 1, such as 0.75")
    if layer_decay == 1:
        return {variable.path: 1.0 for variable in model.trainable_variables}
    found = depths(model)
    last = max(found.values())
    return {
        variable.path: layer_decay ** (last - found[layer.name])
        for layer in model.layers
        for variable in layer.trainable_variables
    }
