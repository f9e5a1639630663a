"""ConvMixer: Trockman and Kolter 2022, "Patches Are All You Need?" (arXiv 2201.09792)."""

from dataclasses import dataclass

import keras

from keras_vit import heads, layers, register
from keras_vit.spaces import Range, Times
from keras_vit.weights import Rule, Source


@dataclass(frozen=True, kw_only=True)
class ConvMixer:
    """Patches mixed by convolutions, all at one resolution."""

    width: int  # of a cell
    depth: int  # blocks
    kernel: int  # side of the depthwise convolutions, in cells
    patch: int | tuple[int, int] = 7
    activation: str = "gelu"
    image_size: int | tuple[int, int] | None = 224  # None for any
    channels: int = 3
    classes: int = 1000  # 0 for the backbone alone
    dropout: float = 0.0  # before the head


VARIANTS = {
    "768-32": ConvMixer(width=768, depth=32, kernel=7, activation="relu"),
    "1024-20": ConvMixer(width=1024, depth=20, kernel=9, patch=14),
    "1536-20": ConvMixer(width=1536, depth=20, kernel=9),
}
SMALL = ConvMixer(width=12, depth=2, kernel=5, patch=4, image_size=32)
TIMM = Source(
    rules=(
        Rule("embed/", "stem.0."),
        Rule("embed_norm/", "stem.2."),
        Rule(r"block_(\d+)/depthwise/", r"blocks.\1.0.fn.0."),
        Rule(r"block_(\d+)/norm1/", r"blocks.\1.0.fn.2."),
        Rule(r"block_(\d+)/pointwise/", r"blocks.\1.1."),
        Rule(r"block_(\d+)/norm2/", r"blocks.\1.3."),
    )
)


@keras.saving.register_keras_serializable("keras_vit")
class ConvMixerBlock(layers.Tappable):
    """Adds a depthwise convolution of a map to it, then mixes the channels: (B, h, w, D) to (B, h, w, D)."""

    def __init__(self, kernel, activation="gelu", **kwargs):
        super().__init__(**kwargs)
        self.kernel = kernel
        self.activate = keras.activations.get(activation)
        policy = {"dtype": self.dtype_policy}
        self.depthwise = keras.layers.DepthwiseConv2D(kernel, padding="same", name="depthwise", **policy)
        self.norm1 = layers.normalisation("norm1", **policy)
        self.norm2 = layers.normalisation("norm2", **policy)

    def build(self, shape):
        self.pointwise = keras.layers.Conv2D(shape[-1], 1, name="pointwise", dtype=self.dtype_policy)
        for part in (self.depthwise, self.norm1, self.pointwise, self.norm2):
            part.build(shape)

    intermediates = ("norm1", "residual")
    branches = {"convolution": (None, "norm1")}

    def call(self, x, training=None, intermediates=None):
        """Computes the output; `intermediates` as in Tappable, where "residual" is the sum of `x` and "norm1"."""
        norm1 = self.norm1(self.activate(self.depthwise(x)), training=training)
        residual = x + norm1
        out = self.norm2(self.activate(self.pointwise(residual)), training=training)
        return self.select({"norm1": norm1, "residual": residual, "out": out}, intermediates)

    def compute_output_shape(self, shape):
        return shape


SPACE = {
    "depth": Times((0.5, 1, 1.5)),
    "width": Times((0.5, 1, 1.5)),
    "patch": Times((0.5, 1, 2)),
    "kernel": (3, 5, 7, 9),
    "dropout": Range(0.0, 0.5),
}


@register(VARIANTS, sources={"timm": TIMM}, small=SMALL, space=SPACE)
def convmixer(config: ConvMixer) -> keras.Model:
    """Returns the functional model of `config`; pixels that fill no patch are left out."""
    patch = layers.pair(config.patch, "patch")
    images, x = layers.image_input(config.image_size, config.channels, least=patch)
    x = layers.PatchEmbed(config.width, patch, name="embed")(x)
    x = keras.layers.Activation(config.activation, name="embed_activation")(x)
    x = layers.normalisation("embed_norm")(x)
    for i in range(config.depth):
        x = ConvMixerBlock(config.kernel, config.activation, name=f"block_{i}")(x)
    return heads.classify(keras.Model(images, {"map": x}, name="convmixer"), config.classes, dropout=config.dropout)
