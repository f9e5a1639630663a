"""Where a Vision Transformer's class token looks, as maps over the image."""

import numpy as np

from keras_vit import layers
from keras_vit.taps import list_taps, tap


def attention(model, images, method="rollout"):
    """Returns how much each cell of the image draws the class token's attention, each map summing to 1.

    `images` is (B, H, W, C) as the model takes them. `method` "rollout" follows attention through all
    blocks, 0.5 A + 0.5 I averaged over heads and multiplied (Abnar and Zuidema 2020, arXiv 2005.00928),
    and gives (B, h, w); "dino" reads the last block, (B, heads, h, w) (Caron et al. 2021, arXiv 2104.14294).
    Raises ValueError for another method and for a model that has no class token or no attention.
    """
    if method not in METHODS:
        raise ValueError(f"method is one of {', '.join(METHODS)}, not {method!r}")
    prefix = sum(layer.count for layer in model.layers if isinstance(layer, layers.ClassToken))
    names = [name for name in list_taps(model) if "attention_" in name]
    if not prefix or not names:
        raise ValueError(f"{model.name} has no class token that attends; its maps can be tapped: {list_taps(model)}")
    tapped = tap(model, ["embed", *METHODS[method](names)])(images, training=False)
    height, width = tapped.pop("embed").shape[1:3]
    seen = _SEEN[method]([np.asarray(matrix, "float64") for matrix in tapped.values()])
    seen = seen[..., 0, prefix:]
    seen = seen / seen.sum(axis=-1, keepdims=True)
    return seen.reshape(*seen.shape[:-1], height, width)


def _roll_out(matrices):
    """Returns the product over blocks of 0.5 A + 0.5 I, (B, N, N)."""
    rolled = np.eye(matrices[0].shape[-1])
    for matrix in matrices:
        rolled = (0.5 * matrix.mean(axis=1) + 0.5 * np.eye(matrix.shape[-1])) @ rolled
    return rolled


METHODS = {"rollout": lambda names: names, "dino": lambda names: names[-1:]}  # the taps that each needs
_SEEN = {"rollout": _roll_out, "dino": lambda matrices: matrices[-1]}
