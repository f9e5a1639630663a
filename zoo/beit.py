"""BEiT: Bao et al. 2022, "BEiT: BERT Pre-Training of Image Transformers" (arXiv 2106.08254), and its second version.

Peng et al. 2022 (arXiv 2208.06366) is the same network, trained otherwise.
"""

from dataclasses import dataclass

import keras

from keras_vit import heads, layers, register
from keras_vit.spaces import Range, Times
from keras_vit.weights import Rule, Source, grid_rows, stacked


@dataclass(frozen=True, kw_only=True)
class BEiT:
    """A ViT that knows positions by their distances alone."""

    width: int  # of a token
    depth: int  # blocks
    heads: int
    mlp_dim: int  # width of a block's MLP
    patch: int | tuple[int, int] = 16
    shared_bias: bool = False  # one position bias for all blocks, as in pre-training, not one for each
    layer_scale: float | None = 1e-5  # where each branch's LayerScale begins; None for no LayerScale
    image_size: int | tuple[int, int] | None = 224  # None for any
    native_size: int | tuple[int, int] = 224  # whose window the biases keep when image_size is None
    channels: int = 3
    classes: int = 1000  # 0 for the backbone alone
    pool: str = "mean"  # normalised after pooling; or "token", normalised before
    drop_path: float = 0.0  # of the last block; it grows linearly from 0
    dropout: float = 0.0
    attention_dropout: float = 0.0


def _row(width, depth, heads, mlp_dim, layer_scale=1e-5, size=224, patch=16):
    return BEiT(
        width=width, depth=depth, heads=heads, mlp_dim=mlp_dim, layer_scale=layer_scale,
        patch=patch, image_size=size, native_size=size,
    )  # fmt: skip


_B, _L = (768, 12, 12, 3072), (1024, 24, 16, 4096)
VARIANTS = {
    "b16": _row(*_B, 0.1),
    "b16-v2": _row(*_B),
    "l16": _row(*_L),
    "l16-v2": _row(*_L),
    "l16-512": _row(*_L, size=512),
}
SMALL = _row(24, 2, 3, 40, size=(32, 32), patch=8)


def _prefix(shape, rows):
    return rows[-3:]


def _bias(ours, theirs):
    table = theirs + "relative_position_bias_table"
    return Rule(ours + "table", table, grid_rows(0, after=3)), Rule(ours + "prefix", table, _prefix)


_INDEX = (r".*relative_position_index",)
TIMM = Source(
    rules=(
        Rule("embed/", "patch_embed.proj."),
        Rule("class_token/token", "cls_token"),
        *_bias("bias/", "rel_pos_bias."),
        *_bias(r"bias_(\d+)/", r"blocks.\1.attn."),
        Rule(r"block_(\d+)/attention/bias_(\w)", r"blocks.\1.attn.\2_bias"),
        Rule(r"block_(\d+)/attention/qkv/", r"blocks.\1.attn.qkv."),
        Rule(r"block_(\d+)/attention/out/", r"blocks.\1.attn.proj."),
        Rule(r"block_(\d+)/scale(\d)/gamma", r"blocks.\1.gamma_\2"),
        Rule(r"block_(\d+)/", r"blocks.\1."),
    ),
    ignore=_INDEX,
)
_BLOCK = r"encoder.layer.\1."
_ATTENTION = _BLOCK + "attention.attention."
HUGGINGFACE = Source(
    rules=(
        Rule("embed/", "embeddings.patch_embeddings.projection."),
        Rule("class_token/token", "embeddings.cls_token"),
        *_bias("bias/", "encoder.relative_position_bias."),
        *_bias(r"bias_(\d+)/", _ATTENTION + "relative_position_bias."),
        Rule(r"block_(\d+)/attention/bias_q", _ATTENTION + "query.bias"),
        Rule(r"block_(\d+)/attention/bias_v", _ATTENTION + "value.bias"),
        Rule(
            r"block_(\d+)/attention/qkv/",
            tuple(f"{_ATTENTION}{part}." for part in ("query", "key", "value")),
            stacked,
        ),
        Rule(r"block_(\d+)/attention/out/", _BLOCK + "attention.output.dense."),
        Rule(r"block_(\d+)/scale(\d)/gamma", _BLOCK + r"lambda_\2"),
        Rule(r"block_(\d+)/norm1/", _BLOCK + "layernorm_before."),
        Rule(r"block_(\d+)/norm2/", _BLOCK + "layernorm_after."),
        Rule(r"block_(\d+)/mlp/fc1/", _BLOCK + "intermediate.dense."),
        Rule(r"block_(\d+)/mlp/fc2/", _BLOCK + "output.dense."),
        Rule("fc_norm/", "pooler.layernorm."),
        Rule("norm/", "layernorm."),
        Rule("head/", "classifier."),
    ),
    ignore=_INDEX,
    bases=("beit.",),
)


SPACE = {
    "depth": Times((0.5, 1, 1.5)),
    "width": Times((0.5, 1, 1.5), also=("mlp_dim",)),
    "patch": Times((0.5, 1, 2)),
    "drop_path": Range(0.0, 0.3),
}


@register(VARIANTS, sources={"timm": TIMM, "huggingface": HUGGINGFACE}, small=SMALL, space=SPACE)
def beit(config: BEiT) -> keras.Model:
    """Returns the functional model of `config`."""
    patch = layers.pair(config.patch, "patch")
    images, x = layers.image_input(config.image_size, config.channels, multiple=patch)
    size = layers.pair(config.native_size if config.image_size is None else config.image_size)
    window = (size[0] // patch[0], size[1] // patch[1])
    cells = layers.PatchEmbed(config.width, patch, name="embed")(x)
    x = layers.ToTokens(name="tokens")(cells)
    x = layers.ClassToken(name="class_token")(x)
    x = keras.layers.Dropout(config.dropout, name="embed_dropout")(x)
    for i in range(config.depth):
        if i == 0 or not config.shared_bias:
            name = "bias" if config.shared_bias else f"bias_{i}"
            bias = layers.RelativePositionBias(window, config.heads, prefix=1, name=name)(cells)
        x = layers.TransformerBlock(
            config.heads,
            config.mlp_dim,
            qkv_bias="qv",
            layer_scale=config.layer_scale,
            drop_path=config.drop_path * i / max(config.depth - 1, 1),
            dropout=config.dropout,
            attention_dropout=config.attention_dropout,
            name=f"block_{i}",
        )(x, bias=bias)
    if config.pool == "token":
        x = layers.LayerNormalization(epsilon=1e-6, name="norm")(x)
    features = {"map": layers.ToMap(prefix=1, name="map")(x, cells), "prefix": x[:, :1]}
    return heads.classify(
        keras.Model(images, features, name="beit"), config.classes, config.pool, norm=config.pool == "mean"
    )
