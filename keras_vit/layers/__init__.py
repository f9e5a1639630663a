"""The parts that models are made of; each knows shapes, none knows a model."""

from keras_vit import backend

backend.load("keras")

from keras_vit.layers.attention import MultiHeadAttention  # noqa: E402
from keras_vit.layers.block import TransformerBlock  # noqa: E402
from keras_vit.layers.convolution import EdgePadding2D, StandardisedConv2D, normalisation  # noqa: E402
from keras_vit.layers.dense import Dense  # noqa: E402
from keras_vit.layers.inputs import image_input, pair  # noqa: E402
from keras_vit.layers.intermediates import Tappable  # noqa: E402
from keras_vit.layers.mixing import Affine, MixerBlock  # noqa: E402
from keras_vit.layers.mlp import Mlp  # noqa: E402
from keras_vit.layers.norm import LayerNormalization  # noqa: E402
from keras_vit.layers.padding import pad_to_multiple  # noqa: E402
from keras_vit.layers.patch import PatchEmbed  # noqa: E402
from keras_vit.layers.position import PositionEmbedding  # noqa: E402
from keras_vit.layers.recorded import Recorded  # noqa: E402
from keras_vit.layers.relative import RelativePositionBias  # noqa: E402
from keras_vit.layers.residual import DropPath, LayerScale  # noqa: E402
from keras_vit.layers.rotary import RotaryPosition  # noqa: E402
from keras_vit.layers.stem import convolutional_stem  # noqa: E402
from keras_vit.layers.tokens import ClassToken, ToMap, ToTokens  # noqa: E402
from keras_vit.layers.trunk import ResidualBlock, residual_trunk, trunk_stride  # noqa: E402
from keras_vit.layers.window import WindowAttention  # noqa: E402

__all__ = [
    "Affine",
    "ClassToken",
    "Dense",
    "DropPath",
    "EdgePadding2D",
    "LayerNormalization",
    "LayerScale",
    "MixerBlock",
    "Mlp",
    "MultiHeadAttention",
    "PatchEmbed",
    "PositionEmbedding",
    "Recorded",
    "RelativePositionBias",
    "ResidualBlock",
    "RotaryPosition",
    "StandardisedConv2D",
    "Tappable",
    "ToMap",
    "ToTokens",
    "TransformerBlock",
    "WindowAttention",
    "convolutional_stem",
    "image_input",
    "normalisation",
    "pad_to_multiple",
    "pair",
    "residual_trunk",
    "trunk_stride",
]
