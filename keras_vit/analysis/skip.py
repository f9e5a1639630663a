"""How much of a block's output comes over its skip connections, and how much its branches add."""

import dataclasses

import keras
import numpy as np
from keras import ops

from keras_vit.analysis import flow
from keras_vit.analysis.cells import cells_of, check_batch, model_and_images
from keras_vit.analysis.watching import watched
from keras_vit.keras_internals import call_node, walk
from keras_vit.layers import Tappable


@dataclasses.dataclass(frozen=True)
class SkipRatio:
    """||skip|| / ||branch|| of one branch, the mean over images; infinite where the branch adds nothing to one."""

    prefix: np.ndarray  # (P,) of the tokens before the patches, the class token first
    cells: np.ndarray  # (h, w); NaN where a block changes only the tokens before


def skip_ratio(model: keras.Model | str, images: np.ndarray, batch: int = 16) -> dict[str, dict[str, SkipRatio]]:
    """Returns {block: {branch: SkipRatio}}: how many times as long what skips a branch is as what the branch adds.

    Raghu et al. 2021 (arXiv 2108.08810), section 6: ||z|| / ||f(z)|| over the channels of each token or cell, of
    `images` (B, H, W, C). The branch is taken as it is added, after its LayerScale. Branches are "attention" and
    "mlp", in mixers "tokens" and "mlp", in residual networks, ConvNeXt and ConvMixer "convolution".
    Raises ValueError for a model without residual blocks.

    >>> found = keras_vit.analysis.skip_ratio(model, images)
    >>> list(found), list(found["block_0"]), found["block_0"]["mlp"].cells.shape
    (['block_0', 'block_1'], ['attention', 'mlp'], (4, 4))
    """
    (model, images), batch = model_and_images(model, images), check_batch(batch)
    blocks = {layer.name: layer for layer in model.layers if isinstance(layer, Tappable) and layer.branches}
    if not blocks:
        raise ValueError(f"{model.name} has no skip connections; take a model of residual blocks, a ViT or a ResNet")
    last = call_node(model, list(blocks.values())[-1]).outputs[0]
    graph = keras.Model(model.input, last)  # what lies behind the last block isn't computed
    firsts = watched(range(0, len(images), batch), "skips and branches")
    parts = [_ratios(graph, blocks, images[i : i + batch]) for i in firsts]
    found: dict[str, dict[str, SkipRatio]] = {name: {} for name in blocks}
    for name, block in blocks.items():
        for branch in block.branches:
            values = np.concatenate([each[name, branch] for each in parts])
            found[name][branch] = _placed(model, images, block, values.astype("float64").mean(axis=0))
    return found


def _ratios(model, blocks, images):
    """Returns {(block, branch): ratios (B, N) or (B, h, w)}."""
    found = {}

    def call(node, *args, **kwargs):
        block = blocks.get(node.operation.name)
        if block is None:
            return node.operation(*args, **kwargs)
        asked = {name for pair in block.branches.values() for name in pair if name}
        tensors = block(*args, **kwargs, intermediates=sorted(asked))
        for branch, (skip, added) in block.branches.items():
            skipped = args[0][:, : getattr(block, "queries", None)] if skip is None else tensors[skip]
            found[block.name, branch] = ops.convert_to_numpy(_length(skipped) / _length(tensors[added]))
        return tensors["out"]

    walk(model, ops.convert_to_tensor(images, model.input.dtype), call)
    return found


def _length(x):
    return ops.sqrt(ops.sum(ops.square(ops.cast(x, "float32")), axis=-1))


def _placed(model, images, block, ratios):
    if ratios.ndim == 2:
        return SkipRatio(np.zeros(0), ratios)
    if getattr(block, "queries", None):
        return SkipRatio(ratios, np.full(flow.token_grid(model, images), np.nan))
    cells = cells_of(model, images, block.name, (1, *ratios.shape, 1))
    return SkipRatio(*(each[0] for each in cells.split(ratios[None])))
