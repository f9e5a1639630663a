"""Data-efficient image transformers: Touvron et al. 2021, arXiv 2012.12877.

The networks are ViT's. A distilled one has a second token, whose head learns from a teacher: build it
with distillation="both" to train both heads, and with "mean" (the default), of the same weights, to use them.
Files of transformers' DeiTForImageClassification have no second head: distillation="head".
"""

import keras

from keras_vit import register
from keras_vit.weights import vit_names
from keras_vit.zoo.vit import SPACE, TI, B, S, ViT, row, transformer

VARIANTS = {
    "ti16": row(*TI, 16),
    "s16": row(*S, 16),
    "b16": row(*B, 16),
    "b16-384": row(*B, 16, 384),
    "ti16-distilled": row(*TI, 16, distillation="mean"),
    "s16-distilled": row(*S, 16, distillation="mean"),
    "b16-distilled": row(*B, 16, distillation="mean"),
    "b16-distilled-384": row(*B, 16, 384, distillation="mean"),
}
SMALL = row(24, 3, 3, 40, 8, (32, 32), distillation="mean")
SOURCES = {"timm": vit_names.TIMM, "huggingface": vit_names.hugging_face("deit.", "vit.")}


@register(VARIANTS, sources=SOURCES, small=SMALL, space=SPACE)
def deit(config: ViT) -> keras.Model:
    """Returns the functional model of `config`, a ViT's."""
    return transformer(config, "deit")
