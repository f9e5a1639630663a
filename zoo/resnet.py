"""Residual networks: He et al. 2016, "Deep Residual Learning for Image Recognition" (arXiv 1512.03385).

The stride of a bottleneck sits on its 3x3 convolution, as in every published checkpoint.
"""

from dataclasses import dataclass

import keras

from keras_vit import heads, layers, register
from keras_vit.spaces import Range, Times
from keras_vit.weights import Rule, Source


@dataclass(frozen=True, kw_only=True)
class ResNet:
    """A residual network of four stages, each half as large and twice as wide as the one before."""

    blocks: tuple[int, int, int, int]  # of each stage
    bottleneck: bool
    width: int = 64  # of the stem and of the first stage's 3x3 convolutions
    image_size: int | tuple[int, int] | None = 224  # None for any
    channels: int = 3
    classes: int = 1000  # 0 for the backbone alone
    drop_path: float = 0.0  # of the last block; it grows linearly from 0
    dropout: float = 0.0  # before the head


VARIANTS = {
    "18": ResNet(blocks=(2, 2, 2, 2), bottleneck=False),
    "34": ResNet(blocks=(3, 4, 6, 3), bottleneck=False),
    "50": ResNet(blocks=(3, 4, 6, 3), bottleneck=True),
    "101": ResNet(blocks=(3, 4, 23, 3), bottleneck=True),
    "152": ResNet(blocks=(3, 8, 36, 3), bottleneck=True),
}
SMALL = ResNet(blocks=(1, 2, 1, 1), bottleneck=True, width=3, image_size=32)
_INSIDE = (("norm", "bn"), ("shortcut/", "downsample.0."), ("shortcut_norm/", "downsample.1."), ("", ""))
TIMM = Source(
    rules=(
        Rule("embed_norm/", "bn1."),
        Rule("embed/", "conv1."),
        Rule("head/", "fc."),
        *(
            Rule(rf"stage_{i}_block_(\d+)/{ours}", rf"layer{i + 1}.\1.{theirs}")
            for i in range(4)
            for ours, theirs in _INSIDE
        ),
    )
)  # fmt: skip
_LAYER = r"encoder.stages.\1.layers.\2."
_PARTS = (
    *((f"conv{i + 1}/", f"layer.{i}.convolution.") for i in range(3)),
    *((f"norm{i + 1}/", f"layer.{i}.normalization.") for i in range(3)),
    ("shortcut/", "shortcut.convolution."),
    ("shortcut_norm/", "shortcut.normalization."),
)
HUGGINGFACE = Source(
    rules=(
        Rule("embed_norm/", "embedder.embedder.normalization."),
        Rule("embed/", "embedder.embedder.convolution."),
        Rule("head/", "classifier.1."),
        *(Rule(rf"stage_(\d+)_block_(\d+)/{ours}", _LAYER + theirs) for ours, theirs in _PARTS),
    ),
    bases=("resnet.",),
)


SPACE = {"blocks": Times((0.5, 1, 1.5)), "width": Times((0.5, 1, 1.5)), "dropout": Range(0.0, 0.5)}


@register(VARIANTS, sources={"timm": TIMM, "huggingface": HUGGINGFACE}, small=SMALL, space=SPACE)
def resnet(config: ResNet) -> keras.Model:
    """Returns the functional model of `config`."""
    images, x = layers.image_input(config.image_size, config.channels, least=32)
    x, features = layers.residual_trunk(x, config.blocks, config.width, config.bottleneck, drop_path=config.drop_path)
    backbone = keras.Model(images, {"map": x, **features}, name="resnet")
    return heads.classify(backbone, config.classes, dropout=config.dropout)
