"""ResMLP: Touvron et al. 2021, "ResMLP: Feedforward networks for image classification" (arXiv 2105.03404).

A Mixer whose tokens one linear layer mixes, with affine layers in the place of normalisations.
"""

import keras

from keras_vit import register
from keras_vit.weights import Rule, Source
from keras_vit.zoo.mixer import SPACE, Mixer, mixer


def _row(width, depth, patch, layer_scale, mlp_dim=None, size=224):
    return Mixer(
        width=width, depth=depth, token_mlp_dim=None, mlp_dim=mlp_dim or 4 * width, patch=patch,
        norm="affine", layer_scale=layer_scale, image_size=size,
    )  # fmt: skip


VARIANTS = {
    "s12": _row(384, 12, 16, 1e-4),
    "s24": _row(384, 24, 16, 1e-5),
    "s36": _row(384, 36, 16, 1e-6),
    "b24": _row(768, 24, 8, 1e-6),
}
SMALL = _row(24, 2, 8, 1e-4, mlp_dim=40, size=(32, 48))
TIMM = Source(
    rules=(
        Rule("embed/", "stem.proj."),
        Rule(r"block_(\d+)/tokens/", r"blocks.\1.linear_tokens."),
        Rule(r"block_(\d+)/scale(\d)/gamma", r"blocks.\1.ls\2"),
        Rule(r"block_(\d+)/mlp/", r"blocks.\1.mlp_channels."),
        Rule(r"block_(\d+)/", r"blocks.\1."),
    )
)


@register(VARIANTS, sources={"timm": TIMM}, small=SMALL, space=SPACE)
def resmlp(config: Mixer) -> keras.Model:
    """Returns the functional model of `config`, for images of exactly its size."""
    model = mixer(config)
    model.name = "resmlp"
    return model
