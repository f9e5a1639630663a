"""DeiT III: Touvron, Cord and Jégou 2022, "DeiT III: Revenge of the ViT" (arXiv 2204.07118).

ViT's networks with LayerScale and a class token without a position.
"""

import keras

from keras_vit import register
from keras_vit.weights import vit_names
from keras_vit.zoo.vit import SPACE, B, H, L, M, S, ViT, row, transformer

_DEIT3 = {"layer_scale": 1e-6, "prefix_position": False}
VARIANTS = {
    "s16": row(*S, 16, **_DEIT3),
    "m16": row(*M, 16, **_DEIT3),
    "b16": row(*B, 16, **_DEIT3),
    "b16-384": row(*B, 16, 384, **_DEIT3),
    "l16": row(*L, 16, **_DEIT3),
    "h14": row(*H, 14, **_DEIT3),
}
SMALL = row(24, 3, 3, 40, 8, (32, 32), **_DEIT3)


@register(VARIANTS, sources={"timm": vit_names.TIMM}, small=SMALL, space=SPACE)
def deit3(config: ViT) -> keras.Model:
    """Returns the functional model of `config`, a ViT's."""
    return transformer(config, "deit3")
