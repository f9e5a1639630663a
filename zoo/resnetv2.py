"""Residual networks with preactivation.

He et al. 2016, "Identity Mappings in Deep Residual Networks" (arXiv 1603.05027). The BiT rows are wider, with
GroupNorm and weight standardisation in place of batch normalisation: Kolesnikov et al. 2020, "Big Transfer"
(arXiv 1912.11370).
"""

from dataclasses import dataclass

import keras

from keras_vit import heads, layers, register
from keras_vit.spaces import Range, Times
from keras_vit.weights import TENSORFLOW, Rule, Source


@dataclass(frozen=True, kw_only=True)
class ResNetV2:
    """A residual network of bottlenecks that normalise and activate before they convolve."""

    blocks: tuple[int, int, int, int]  # of each stage
    width: int = 64  # of the stem and of the first stage's 3x3 convolutions
    groups: int | None = None  # of GroupNorm, with standardised convolutions; None for BatchNorm
    image_size: int | tuple[int, int] | None = 224  # None for any
    channels: int = 3
    classes: int = 1000  # 0 for the backbone alone
    dropout: float = 0.0  # before the head


_50, _101, _152 = (3, 4, 6, 3), (3, 4, 23, 3), (3, 8, 36, 3)


def _bit(blocks, times, size):
    return ResNetV2(blocks=blocks, width=64 * times, groups=32, image_size=size)


VARIANTS = {
    "50": ResNetV2(blocks=_50),
    "101": ResNetV2(blocks=_101),
    "50x1-bit": _bit(_50, 1, 224),
    "50x3-bit": _bit(_50, 3, 448),
    "101x1-bit": _bit(_101, 1, 448),
    "101x3-bit": _bit(_101, 3, 448),
    "152x2-bit": _bit(_152, 2, 224),
    "152x4-bit": _bit(_152, 4, 480),
}
SMALL = ResNetV2(blocks=(1, 2, 1, 1), width=4, groups=2, image_size=32)
TIMM = Source(
    rules=(
        Rule("embed/", "stem.conv."),
        Rule("head/", "head.fc."),
        Rule(r"stage_(\d+)_block_(\d+)/shortcut/", r"stages.\1.blocks.\2.downsample.conv."),
        Rule(r"stage_(\d+)_block_(\d+)/", r"stages.\1.blocks.\2."),
    )
)
_UNITS = {"conv": "standardized_conv2d", "norm": "group_norm", "shortcut": "proj/standardized_conv2d"}


def _unit(match):
    stage, block, part, index = match.groups()
    return f"resnet/block{int(stage) + 1}/unit{int(block) + 1:02d}/{'abc'[int(index or 1) - 1]}/{_UNITS[part]}/"


NPZ = Source(  # the release of BiT
    rules=(
        Rule("embed/", "resnet/root_block/standardized_conv2d/"),
        Rule("norm/", "resnet/group_norm/"),
        Rule("head/", "resnet/head/conv2d/"),
        Rule(r"stage_(\d+)_block_(\d+)/([a-z]+)(\d?)/", _unit),
    ),
    layout=TENSORFLOW,
)


_STAGE = r"encoder.stages.\1.layers.\2."
HUGGINGFACE = Source(  # BiT
    rules=(
        Rule("embed/", "embedder.convolution."),
        Rule("head/", "classifier.1."),
        Rule(r"stage_(\d+)_block_(\d+)/shortcut/", _STAGE + "downsample.conv."),
        Rule(r"stage_(\d+)_block_(\d+)/", _STAGE),
    ),
    bases=("bit.",),
)


SPACE = {"blocks": Times((0.5, 1, 1.5)), "width": Times((0.5, 1, 1.5)), "dropout": Range(0.0, 0.5)}


@register(VARIANTS, sources={"timm": TIMM, "npz": NPZ, "huggingface": HUGGINGFACE}, small=SMALL, space=SPACE)
def resnetv2(config: ResNetV2) -> keras.Model:
    """Returns the functional model of `config`, whose map is normalised and its stages' are not."""
    images, x = layers.image_input(config.image_size, config.channels, least=32)
    padding = "edge" if config.groups is None else "zeros"  # the publishers of either differ in this
    x, features = layers.residual_trunk(
        x, config.blocks, config.width, preactivation=True, groups=config.groups, padding=padding
    )
    x = layers.normalisation("norm", config.groups)(x)
    x = keras.layers.ReLU(name="norm_relu")(x)
    return heads.classify(
        keras.Model(images, {"map": x, **features}, name="resnetv2"), config.classes, dropout=config.dropout
    )
