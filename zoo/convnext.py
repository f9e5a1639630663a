"""ConvNeXt: Liu et al. 2022, "A ConvNet for the 2020s" (arXiv 2201.03545), the CNN that learned from the ViT."""

from dataclasses import dataclass

import keras

from keras_vit import heads, layers, register
from keras_vit.spaces import Range, Times
from keras_vit.weights import Rule, Source


@dataclass(frozen=True, kw_only=True)
class ConvNeXt:
    """A convolutional network of four stages, each half as large and twice as wide as the one before."""

    blocks: tuple[int, int, int, int]  # of each stage
    width: int  # of the first stage
    kernel: int = 7  # side of a block's convolution
    layer_scale: float | None = 1e-6  # where each block's LayerScale begins; None for no LayerScale
    image_size: int | tuple[int, int] | None = 224  # None for any
    channels: int = 3
    classes: int = 1000  # 0 for the backbone alone
    drop_path: float = 0.0  # of the last block; it grows linearly from 0
    dropout: float = 0.0  # before the head


VARIANTS = {
    "atto": ConvNeXt(blocks=(2, 2, 6, 2), width=40),
    "femto": ConvNeXt(blocks=(2, 2, 6, 2), width=48),
    "pico": ConvNeXt(blocks=(2, 2, 6, 2), width=64),
    "nano": ConvNeXt(blocks=(2, 2, 8, 2), width=80),
    "t": ConvNeXt(blocks=(3, 3, 9, 3), width=96),
    "s": ConvNeXt(blocks=(3, 3, 27, 3), width=96),
    "b": ConvNeXt(blocks=(3, 3, 27, 3), width=128),
    "l": ConvNeXt(blocks=(3, 3, 27, 3), width=192),
    "xl": ConvNeXt(blocks=(3, 3, 27, 3), width=256),
}
SMALL = ConvNeXt(blocks=(1, 2, 1, 1), width=5, image_size=32)

_OURS = r"stage_(\d+)_block_(\d+)/"
TIMM = Source(
    rules=(
        Rule("embed/", "stem.0."),
        Rule("embed_norm/", "stem.1."),
        Rule(r"stage_(\d+)_downsample_norm/", r"stages.\1.downsample.0."),
        Rule(r"stage_(\d+)_downsample/", r"stages.\1.downsample.1."),
        Rule(_OURS + "conv/", r"stages.\1.blocks.\2.conv_dw."),
        Rule(_OURS + "scale/", r"stages.\1.blocks.\2."),
        Rule(_OURS, r"stages.\1.blocks.\2."),
        Rule("fc_norm/", "head.norm."),
        Rule("head/", "head.fc."),
    )
)
_STAGE = r"encoder.stages.\1."
_BLOCK = _STAGE + r"layers.\2."
HUGGINGFACE = Source(
    rules=(
        Rule("embed/", "embeddings.patch_embeddings."),
        Rule("embed_norm/", "embeddings.layernorm."),
        Rule(r"stage_(\d+)_downsample_norm/", _STAGE + "downsampling_layer.0."),
        Rule(r"stage_(\d+)_downsample/", _STAGE + "downsampling_layer.1."),
        Rule(_OURS + "conv/", _BLOCK + "dwconv."),
        Rule(_OURS + "norm/", _BLOCK + "layernorm."),
        Rule(_OURS + r"mlp/fc(\d)/", _BLOCK + r"pwconv\3."),
        Rule(_OURS + "scale/gamma", _BLOCK + "layer_scale_parameter"),
        Rule("fc_norm/", "layernorm."),
        Rule("head/", "classifier."),
    ),
    bases=("convnext.",),
)


@keras.saving.register_keras_serializable("keras_vit")
class ConvNeXtBlock(layers.Tappable):
    """Adds to a map its convolution channel by channel, normalised and passed through an MLP: (B, h, w, D) to the same.

    The MLP is four times as wide as the map; `layer_scale` and `drop_path` are as in TransformerBlock.
    """

    def __init__(self, kernel=7, layer_scale=1e-6, drop_path=0.0, **kwargs):
        super().__init__(**kwargs)
        policy = {"dtype": self.dtype_policy}
        self.conv = keras.layers.DepthwiseConv2D(kernel, padding="same", name="conv", **policy)
        self.norm = layers.LayerNormalization(epsilon=1e-6, name="norm", **policy)
        self.scale = None if layer_scale is None else layers.LayerScale(layer_scale, name="scale", **policy)
        self.drop_path = layers.DropPath(drop_path, name="drop_path", **policy)

    def build(self, shape):
        self.mlp = layers.Mlp(4 * shape[-1], name="mlp", dtype=self.dtype_policy)
        for part in filter(None, (self.conv, self.norm, self.mlp, self.scale, self.drop_path)):
            part.build(shape)

    intermediates = ("norm", "mlp", "branch")
    branches = {"convolution": (None, "branch")}

    def call(self, x, training=None, intermediates=None):
        """Computes the output; `intermediates` as in Tappable.

        "mlp" are the activations of the MLP (B, h, w, 4 D), "branch" is what is added to `x`.
        """
        norm = self.norm(self.conv(x))
        mlp = self.mlp(norm, training=training, intermediates=["activations"])
        branch = mlp["out"] if self.scale is None else self.scale(mlp["out"])
        branch = self.drop_path(branch, training=training)
        return self.select(
            {"norm": norm, "mlp": mlp["activations"], "branch": branch, "out": x + branch}, intermediates
        )

    def compute_output_shape(self, shape):
        return shape


def _downsample(x, width, patch, name):
    """Returns `x`, each `patch` x `patch` of it one cell: a map is normalised before that, images after."""
    norm = layers.LayerNormalization(epsilon=1e-6, name=f"{name}_norm")
    cells = layers.PatchEmbed(width, patch, name=name)
    return norm(cells(x)) if name == "embed" else cells(norm(x))


SPACE = {"blocks": Times((0.5, 1, 1.5)), "width": Times((0.5, 1, 1.5)), "drop_path": Range(0.0, 0.5)}


@register(VARIANTS, sources={"timm": TIMM, "huggingface": HUGGINGFACE}, small=SMALL, space=SPACE)
def convnext(config: ConvNeXt) -> keras.Model:
    """Returns the functional model of `config`."""
    images, x = layers.image_input(config.image_size, config.channels, least=32)
    x = _downsample(x, config.width, 4, "embed")
    features, last = {}, sum(config.blocks) - 1
    for i, count in enumerate(config.blocks):
        if i:
            x = _downsample(x, config.width * 2**i, 2, f"stage_{i}_downsample")
        for j in range(count):
            rate = config.drop_path * (sum(config.blocks[:i]) + j) / max(last, 1)
            x = ConvNeXtBlock(config.kernel, config.layer_scale, rate, name=f"stage_{i}_block_{j}")(x)
        x = features[f"stage_{i}"] = keras.layers.Identity(name=f"stage_{i}")(x)
    backbone = keras.Model(images, {"map": x, **features}, name="convnext")
    return heads.classify(backbone, config.classes, dropout=config.dropout, norm=True)
