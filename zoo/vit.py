"""The Vision Transformer: Dosovitskiy et al. 2021, "An Image is Worth 16x16 Words" (arXiv 2010.11929)."""

from dataclasses import dataclass

import keras

from keras_vit import heads, layers, register
from keras_vit.weights import FLAX, Rule, Source, grid_rows, hybrid, joined, prefix_rows, reshaped


@dataclass(frozen=True, kw_only=True)
class ViT:
    """A plain ViT, or a hybrid: a ViT whose patches are cut from the map of a residual network."""

    width: int  # of a token
    depth: int  # blocks
    heads: int
    hidden: int  # width of a block's MLP
    patch: int | tuple[int, int] = 16  # of the images, or of the trunk's map
    trunk: tuple[int, ...] | None = None  # a hybrid's blocks of each stage, () for the stem alone
    image_size: int | tuple[int, int] | None = 224  # None for any
    native_size: int | tuple[int, int] = 224  # whose grid the position table keeps when image_size is None
    channels: int = 3
    classes: int = 1000  # 0 for the backbone alone
    pool: str = "token"  # or "mean"
    drop_path: float = 0.0  # of the last block; it grows linearly from 0
    dropout: float = 0.0
    attention_dropout: float = 0.0


def _row(width, depth, heads, hidden, patch, size=224, **options):
    shape = {"width": width, "depth": depth, "heads": heads, "hidden": hidden, "patch": patch}
    return ViT(**shape, image_size=size, native_size=size, **options)


_TI, _S, _B = (192, 12, 3, 768), (384, 12, 6, 1536), (768, 12, 12, 3072)
_L, _H = (1024, 24, 16, 4096), (1280, 32, 16, 5120)
VARIANTS = {
    "ti16": _row(*_TI, 16),
    "s32": _row(*_S, 32),
    "s16": _row(*_S, 16),
    "s8": _row(*_S, 8),
    "b32": _row(*_B, 32),
    "b16": _row(*_B, 16),
    "b16-384": _row(*_B, 16, 384),
    "b8": _row(*_B, 8),
    "l32": _row(*_L, 32),
    "l32-384": _row(*_L, 32, 384),
    "l16": _row(*_L, 16),
    "l16-384": _row(*_L, 16, 384),
    "l14": _row(*_L, 14),
    "h14": _row(*_H, 14),
    "g14": _row(1408, 40, 16, 6144, 14),
    "gg14": _row(1664, 48, 16, 8192, 14),
    "r-ti16": _row(*_TI, 8, trunk=()),
    "r26-s32": _row(*_S, 1, trunk=(2, 2, 2, 2)),
    "r50-b16": _row(*_B, 1, trunk=(3, 4, 9)),
    "r50-b16-384": _row(*_B, 1, 384, trunk=(3, 4, 9)),
    "r50-l32": _row(*_L, 1, trunk=(3, 4, 6, 3)),
    "r50-l32-384": _row(*_L, 1, 384, trunk=(3, 4, 6, 3)),
}
SMALL = _row(24, 3, 3, 40, 8, (32, 32))


TIMM = Source(
    rules=(
        *hybrid.TIMM,
        Rule("embed/", "patch_embed.proj."),
        Rule("class_token/token", "cls_token"),
        Rule("class_token/position", "pos_embed", prefix_rows(1)),
        Rule("position/table", "pos_embed", grid_rows(1)),
        Rule(r"block_(\d+)/attention/qkv/", r"blocks.\1.attn.qkv."),
        Rule(r"block_(\d+)/attention/out/", r"blocks.\1.attn.proj."),
        Rule(r"block_(\d+)/", r"blocks.\1."),
    )
)
_BLOCK = r"Transformer/encoderblock_\1/"
_ATTENTION = _BLOCK + "MultiHeadDotProductAttention_1/"
NPZ = Source(  # the release of the paper
    rules=(
        *hybrid.NPZ,
        Rule("embed/", "embedding/"),
        Rule("class_token/token", "cls"),
        Rule("class_token/position", "Transformer/posembed_input/pos_embedding", prefix_rows(1)),
        Rule("position/table", "Transformer/posembed_input/pos_embedding", grid_rows(1)),
        Rule(
            r"block_(\d+)/attention/qkv/",
            tuple(f"{_ATTENTION}{part}/" for part in ("query", "key", "value")),
            joined,
        ),
        Rule(r"block_(\d+)/attention/out/", _ATTENTION + "out/", reshaped),
        Rule(r"block_(\d+)/norm1/", _BLOCK + "LayerNorm_0/"),
        Rule(r"block_(\d+)/norm2/", _BLOCK + "LayerNorm_2/"),
        Rule(r"block_(\d+)/mlp/fc1/", _BLOCK + "MlpBlock_3/Dense_0/"),
        Rule(r"block_(\d+)/mlp/fc2/", _BLOCK + "MlpBlock_3/Dense_1/"),
        Rule("norm/", "Transformer/encoder_norm/"),
    ),
    layout=FLAX,
)


@register(VARIANTS, sources={"timm": TIMM, "npz": NPZ}, small=SMALL)
def vit(c):
    """Returns the functional model of the configuration `c`."""
    patch = layers.pair(c.patch, "patch")
    stride = 1 if c.trunk is None else layers.trunk_stride(c.trunk)
    step = (patch[0] * stride, patch[1] * stride)
    images = cells = layers.image_input(c.image_size, c.channels, multiple=step)
    size = layers.pair(c.native_size if c.image_size is None else c.image_size)
    if c.trunk is not None:
        cells, _ = layers.residual_trunk(images, c.trunk, groups=32, padding="same")
    cells = layers.PatchEmbed(c.width, patch, name="embed" if c.trunk is None else "project")(cells)
    cells = layers.PositionEmbedding((size[0] // step[0], size[1] // step[1]), name="position")(cells)
    x = layers.ToTokens(name="tokens")(cells)
    x = layers.ClassToken(position=True, name="class_token")(x)
    x = keras.layers.Dropout(c.dropout, name="embed_dropout")(x)
    for i in range(c.depth):
        x = layers.TransformerBlock(
            c.heads,
            c.hidden,
            drop_path=c.drop_path * i / max(c.depth - 1, 1),
            dropout=c.dropout,
            attention_dropout=c.attention_dropout,
            name=f"block_{i}",
        )(x)
    x = keras.layers.LayerNormalization(epsilon=1e-6, name="norm")(x)
    features = {"map": layers.ToMap(prefix=1, name="map")(x, cells), "prefix": x[:, :1]}
    return heads.classify(keras.Model(images, features, name="vit"), c.classes, c.pool)
