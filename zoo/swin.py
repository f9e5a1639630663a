"""The Swin Transformer: Liu et al. 2021, "Hierarchical Vision Transformer using Shifted Windows" (arXiv 2103.14030)."""

from dataclasses import dataclass

import keras
from keras import ops

from keras_vit import heads, layers, register
from keras_vit.spaces import Range, Times
from keras_vit.weights import Rule, Source, grid_rows, stacked


@dataclass(frozen=True, kw_only=True)
class Swin:
    """A ViT of stages, each half as large and twice as wide as the one before, that attends within windows."""

    blocks: tuple[int, ...]  # of each stage; every second one shifts its windows
    width: int  # of a cell of the first stage
    heads: tuple[int, ...]  # of each stage
    window: int | tuple[int, int] = 7  # cells; it shrinks to a smaller map
    padding: str = "timm"  # of maps that windows don't fill; or "original" or "masked", see WindowAttention
    patch: int | tuple[int, int] = 4
    image_size: int | tuple[int, int] | None = 224  # None for any
    channels: int = 3
    classes: int = 1000  # 0 for the backbone alone
    drop_path: float = 0.0  # of the last block; it grows linearly from 0
    dropout: float = 0.0
    attention_dropout: float = 0.0


def _row(width, third, heads, **options):
    return Swin(blocks=(2, 2, third, 2), width=width, heads=tuple(heads * 2**i for i in range(4)), **options)


_384 = {"window": 12, "image_size": 384}
VARIANTS = {
    "t": _row(96, 6, 3),
    "s": _row(96, 18, 3),
    "b": _row(128, 18, 4),
    "b-384": _row(128, 18, 4, **_384),
    "l": _row(192, 18, 6),
    "l-384": _row(192, 18, 6, **_384),
}
SMALL = Swin(blocks=(2, 2, 2), width=8, heads=(2, 4, 8), window=3, image_size=28)

_OURS = r"stage_(\d+)_block_(\d+)/"
_IGNORED = (r".*relative_position_index", r".*attn_mask")
_BLOCK = r"layers.\1.blocks.\2."
TIMM = Source(
    rules=(
        Rule("embed/", "patch_embed.proj."),
        Rule("embed_norm/", "patch_embed.norm."),
        Rule(r"stage_(\d+)_merge/", r"layers.\1.downsample."),
        Rule(_OURS + "attention/bias/table", _BLOCK + "attn.relative_position_bias_table", grid_rows(0)),
        Rule(_OURS + "attention/within/qkv/", _BLOCK + "attn.qkv."),
        Rule(_OURS + "attention/within/out/", _BLOCK + "attn.proj."),
        Rule(_OURS, _BLOCK),
        Rule("head/", "head.fc."),
    ),
    ignore=_IGNORED,
)
_LAYER = r"encoder.layers.\1.blocks.\2."
_ATTENTION = _LAYER + "attention.self."
HUGGINGFACE = Source(
    rules=(
        Rule("embed/", "embeddings.patch_embeddings.projection."),
        Rule("embed_norm/", "embeddings.norm."),
        # there a stage ends with the merging, here it begins with it
        *(Rule(f"stage_{i + 1}_merge/", f"encoder.layers.{i}.downsample.") for i in range(3)),
        Rule(_OURS + "attention/bias/table", _ATTENTION + "relative_position_bias_table", grid_rows(0)),
        Rule(
            _OURS + "attention/within/qkv/",
            tuple(f"{_ATTENTION}{part}." for part in ("query", "key", "value")),
            stacked,
        ),
        Rule(_OURS + "attention/within/out/", _LAYER + "attention.output.dense."),
        Rule(_OURS + "norm1/", _LAYER + "layernorm_before."),
        Rule(_OURS + "norm2/", _LAYER + "layernorm_after."),
        Rule(_OURS + "mlp/fc1/", _LAYER + "intermediate.dense."),
        Rule(_OURS + "mlp/fc2/", _LAYER + "output.dense."),
        Rule("norm/", "layernorm."),
        Rule("head/", "classifier."),
    ),
    ignore=_IGNORED,
    bases=("swin.",),
)


@keras.saving.register_keras_serializable("keras_vit")
class PatchMerging(layers.Recorded):
    """Makes each 2 x 2 cells of a map, normalised, one of `width`: (B, h, w, D) to (B, h / 2, w / 2, width).

    A map of odd sides is padded with zeros at the bottom and right first.
    """

    def __init__(self, width, epsilon=1e-5, **kwargs):
        super().__init__(**kwargs)
        policy = {"dtype": self.dtype_policy}
        self.width = width
        self.norm = layers.LayerNormalization(epsilon=epsilon, name="norm", **policy)
        self.reduction = layers.Dense(width, use_bias=False, name="reduction", **policy)

    def build(self, shape):
        for part in (self.norm, self.reduction):
            part.build((*shape[:-1], 4 * shape[-1]))

    def call(self, x):
        x = layers.pad_to_multiple(x, (2, 2))
        (height, width), depth = ops.shape(x)[1:3], x.shape[-1]
        x = ops.reshape(x, (-1, height // 2, 2, width // 2, 2, depth))
        x = ops.transpose(x, (0, 1, 3, 4, 2, 5))  # the published weights count the four cells column by column
        return self.reduction(self.norm(ops.reshape(x, (-1, height // 2, width // 2, 4 * depth))))

    def compute_output_shape(self, shape):
        return (shape[0], *(None if side is None else -(-side // 2) for side in shape[1:3]), self.width)


SPACE = {"blocks": Times((0.5, 1, 1.5)), "width": Times((0.5, 1, 1.5)), "drop_path": Range(0.0, 0.5)}


@register(VARIANTS, sources={"timm": TIMM, "huggingface": HUGGINGFACE}, small=SMALL, space=SPACE)
def swin(config: Swin) -> keras.Model:
    """Returns the functional model of `config`, which pads images and maps of any size where it must."""
    if len(config.heads) != len(config.blocks):
        raise ValueError(f"heads {config.heads!r} and blocks {config.blocks!r} are both given for each stage")
    images, x = layers.image_input(config.image_size, config.channels)
    x = layers.PatchEmbed(config.width, config.patch, pad=True, name="embed")(x)
    x = layers.LayerNormalization(epsilon=1e-5, name="embed_norm")(x)
    x = keras.layers.Dropout(config.dropout, name="embed_dropout")(x)
    features, last = {}, sum(config.blocks) - 1
    for i, count in enumerate(config.blocks):
        width = config.width * 2**i
        if i:
            x = PatchMerging(width, name=f"stage_{i}_merge")(x)
        for j in range(count):
            x = layers.TransformerBlock(
                config.heads[i],
                4 * width,
                drop_path=config.drop_path * (sum(config.blocks[:i]) + j) / max(last, 1),
                dropout=config.dropout,
                attention_dropout=config.attention_dropout,
                epsilon=1e-5,
                window=config.window,
                shift=j % 2 == 1,
                padding=config.padding,
                name=f"stage_{i}_block_{j}",
            )(x)
        x = features[f"stage_{i}"] = keras.layers.Identity(name=f"stage_{i}")(x)
    x = layers.LayerNormalization(epsilon=1e-5, name="norm")(x)
    return heads.classify(keras.Model(images, {"map": x, **features}, name="swin"), config.classes)
