"""DINOv2: Oquab et al. 2023, arXiv 2304.07193; with registers: Darcet et al. 2024, arXiv 2309.16588.

ViT's networks with LayerScale, trained without labels: they come as backbones. `classes` adds a linear head on
the class token. The positions of 518 px are resized to any other size.
"""

import keras

from keras_vit import register
from keras_vit.weights import vit_names
from keras_vit.zoo.vit import SPACE, B, L, S, ViT, row, transformer

_G = (1536, 40, 24, 4096)
_DINO = {"layer_scale": 1e-5, "classes": 0}
_REG4 = {"registers": 4, "prefix_position": False}  # the class token's position is part of the token
VARIANTS = {
    "s14": row(*S, 14, 518, **_DINO),
    "b14": row(*B, 14, 518, **_DINO),
    "l14": row(*L, 14, 518, **_DINO),
    "g14": row(*_G, 14, 518, activation="swiglu", **_DINO),
    "s14-reg4": row(*S, 14, 518, **_REG4, **_DINO),
    "b14-reg4": row(*B, 14, 518, **_REG4, **_DINO),
    "l14-reg4": row(*L, 14, 518, **_REG4, **_DINO),
    "g14-reg4": row(*_G, 14, 518, activation="swiglu", **_REG4, **_DINO),
}
SMALL = row(24, 3, 3, 40, 8, (32, 32), activation="swiglu", **_REG4, **_DINO)
SOURCES = {
    "timm": vit_names.TIMM,
    "huggingface": vit_names.hugging_face("dinov2.", "dinov2_with_registers.", dino=True),
}


@register(VARIANTS, sources=SOURCES, small=SMALL, space=SPACE)
def dinov2(config: ViT) -> keras.Model:
    """Returns the functional model of `config`, a ViT's."""
    return transformer(config, "dinov2")
