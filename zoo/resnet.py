"""Residual networks: He et al. 2016, "Deep Residual Learning for Image Recognition" (arXiv 1512.03385).

The stride of a bottleneck sits on its 3x3 convolution, as in every published checkpoint.
"""

from dataclasses import dataclass

import keras

from keras_vit import heads, layers, register
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


@keras.saving.register_keras_serializable("keras_vit")
class ResidualBlock(keras.layers.Layer):
    """Adds convolutions of a map to the map: (B, h, w, C) to (B, h / stride, w / stride, D).

    D is `width`, or 4 * `width` for a bottleneck. Where the shapes differ a 1x1 convolution carries the map over.
    """

    def __init__(self, width, stride=1, bottleneck=True, **kwargs):
        super().__init__(**kwargs)
        self.width = width
        self.stride = stride
        self.bottleneck = bottleneck
        self.relu = keras.layers.ReLU(name="relu", dtype=self.dtype_policy)

    def build(self, shape):
        out = self.width * (4 if self.bottleneck else 1)
        if self.bottleneck:
            plan = [(self.width, 1, 1), (self.width, 3, self.stride), (out, 1, 1)]
        else:
            plan = [(self.width, 3, self.stride), (self.width, 3, 1)]
        self.branch, now = [], shape
        for i, (width, kernel, stride) in enumerate(plan, start=1):
            now = self._add(self.branch, now, width, kernel, stride, f"conv{i}", f"norm{i}")
            if i < len(plan):
                self.branch.append(self.relu)
        self.carried = []
        if self.stride > 1 or shape[-1] != out:
            self._add(self.carried, shape, out, 1, self.stride, "shortcut", "shortcut_norm")

    def call(self, x, training=None):
        return self.relu(_run(self.branch, x, training) + _run(self.carried, x, training))

    def compute_output_shape(self, shape):
        size = [None if side is None else -(-side // self.stride) for side in shape[1:3]]
        return (shape[0], *size, self.width * (4 if self.bottleneck else 1))

    def _add(self, parts, shape, width, kernel, stride, name, norm):
        new = convolution(width, kernel, stride, name, self.dtype_policy)
        new.append(normalisation(norm, self.dtype_policy))
        for part in new:
            part.build(shape)
            shape = part.compute_output_shape(shape)
        parts.extend(new)
        return shape


def _run(parts, x, training):
    for part in parts:
        x = part(x, training=training) if isinstance(part, keras.layers.BatchNormalization) else part(x)
    return x


def convolution(width, kernel, stride, name, dtype=None):
    """Returns the layers of a convolution without bias, padded alike on all sides.

    "same" would pad a strided convolution more at the bottom and right, and shift it against published weights.
    """
    conv = keras.layers.Conv2D(
        width, kernel, stride, "valid", use_bias=False, kernel_initializer="he_normal", name=name, dtype=dtype
    )
    return [keras.layers.ZeroPadding2D(kernel // 2, name=f"{name}_pad", dtype=dtype), conv] if kernel > 1 else [conv]


def normalisation(name, dtype=None):
    """Returns the batch normalisation of the published models."""
    return keras.layers.BatchNormalization(momentum=0.9, epsilon=1e-5, name=name, dtype=dtype)


@register(VARIANTS, sources={"timm": TIMM}, small=SMALL)
def resnet(c):
    """Returns the functional model of the configuration `c`."""
    images = x = layers.image_input(c.image_size, c.channels, least=32)
    for part in [*convolution(c.width, 7, 2, "embed"), normalisation("embed_norm")]:
        x = part(x)
    x = keras.layers.ReLU(name="embed_relu")(x)
    x = keras.layers.ZeroPadding2D(1, name="pool_pad")(x)  # with zeros, which no output of a ReLU is below
    x = keras.layers.MaxPooling2D(3, 2, name="embed_pool")(x)
    features = {}
    for i, count in enumerate(c.blocks):
        for j in range(count):
            stride = 2 if i and not j else 1
            x = ResidualBlock(c.width * 2**i, stride, c.bottleneck, name=f"stage_{i}_block_{j}")(x)
        x = features[f"stage_{i}"] = keras.layers.Identity(name=f"stage_{i}")(x)
    backbone = keras.Model(images, {"map": x, **features}, name="resnet")
    return heads.classify(backbone, c.classes, dropout=c.dropout)
