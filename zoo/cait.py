"""CaiT: Touvron et al. 2021, "Going deeper with Image Transformers" (arXiv 2103.17239).

A trunk of patches alone, whose heads talk, and at its end blocks in which a class token reads them.
"""

from dataclasses import dataclass

import keras
import numpy as np

from keras_vit import heads, layers, register
from keras_vit.spaces import Range, Times
from keras_vit.weights import Rule, Source, grid_rows, stacked


@dataclass(frozen=True, kw_only=True)
class CaiT:
    """A deep ViT with LayerScale, talking heads and class attention."""

    width: int  # of a token
    depth: int  # blocks of the trunk
    heads: int
    mlp_dim: int  # width of a block's MLP
    class_depth: int = 2  # blocks of class attention
    patch: int | tuple[int, int] = 16
    layer_scale: float = 1e-5  # where each branch's LayerScale begins
    image_size: int | tuple[int, int] | None = 224  # None for any
    native_size: int | tuple[int, int] = 224  # whose grid the position table keeps when image_size is None
    channels: int = 3
    classes: int = 1000  # 0 for the backbone alone
    pool: str = "token"  # or "mean"
    drop_path: float = 0.0  # of every block of the trunk
    dropout: float = 0.0
    attention_dropout: float = 0.0


def _row(width, depth, heads, layer_scale=1e-5, size=224, mlp_dim=None, patch=16):
    return CaiT(
        width=width, depth=depth, heads=heads, mlp_dim=mlp_dim or 4 * width, layer_scale=layer_scale,
        patch=patch, image_size=size, native_size=size,
    )  # fmt: skip


VARIANTS = {
    "xxs24": _row(192, 24, 4),
    "xxs36": _row(192, 36, 4),
    "xs24-384": _row(288, 24, 6, size=384),
    "s24": _row(384, 24, 8),
    "s36-384": _row(384, 36, 8, 1e-6, 384),
    "m36-384": _row(768, 36, 16, 1e-6, 384),
    "m48-448": _row(768, 48, 16, 1e-6, 448),
}
SMALL = _row(24, 2, 3, size=(32, 32), mlp_dim=40, patch=8)


def _mix(ours, theirs):
    names = tuple(rf"blocks.\1.attn.{theirs}.{leaf}" for leaf in ("weight", "bias"))
    return Rule(rf"block_(\d+)/attention/{ours}", names, lambda shape, kernel, bias: np.vstack([kernel.T, bias]))


def _block(ours, theirs):
    return (
        Rule(ours + "attention/out/", theirs + "attn.proj."),
        Rule(ours + r"scale(\d)/gamma", theirs + r"gamma_\2"),
        Rule(ours, theirs),
    )


_CLASS_BLOCK = r"blocks_token_only.\1."


TIMM = Source(
    rules=(
        Rule("embed/", "patch_embed.proj."),
        Rule("class_token/token", "cls_token"),
        Rule("position/table", "pos_embed", grid_rows(0)),
        _mix("mix_logits", "proj_l"),
        _mix("mix_scores", "proj_w"),
        Rule(r"block_(\d+)/attention/qkv/", r"blocks.\1.attn.qkv."),
        *_block(r"block_(\d+)/", r"blocks.\1."),
        Rule(r"class_block_(\d+)/attention/qkv/", tuple(f"{_CLASS_BLOCK}attn.{part}." for part in "qkv"), stacked),
        *_block(r"class_block_(\d+)/", _CLASS_BLOCK),
    )
)


SPACE = {
    "depth": Times((0.5, 1, 1.5)),
    "width": Times((0.5, 1, 1.5), also=("mlp_dim",)),
    "patch": Times((0.5, 1, 2)),
    "drop_path": Range(0.0, 0.3),
}


@register(VARIANTS, sources={"timm": TIMM}, small=SMALL, space=SPACE)
def cait(config: CaiT) -> keras.Model:
    """Returns the functional model of `config`."""
    patch = layers.pair(config.patch, "patch")
    images, x = layers.image_input(config.image_size, config.channels, multiple=patch)
    size = layers.pair(config.native_size if config.image_size is None else config.image_size)
    cells = layers.PatchEmbed(config.width, patch, name="embed")(x)
    cells = layers.PositionEmbedding((size[0] // patch[0], size[1] // patch[1]), name="position")(cells)
    x = layers.ToTokens(name="tokens")(cells)
    x = keras.layers.Dropout(config.dropout, name="embed_dropout")(x)
    for i in range(config.depth):
        x = layers.TransformerBlock(
            config.heads,
            config.mlp_dim,
            talking_heads=True,
            layer_scale=config.layer_scale,
            drop_path=config.drop_path,
            dropout=config.dropout,
            attention_dropout=config.attention_dropout,
            name=f"block_{i}",
        )(x)
    x = layers.ClassToken(name="class_token")(x)
    for i in range(config.class_depth):
        x = layers.TransformerBlock(
            config.heads, config.mlp_dim, queries=1, layer_scale=config.layer_scale, name=f"class_block_{i}"
        )(x)  # fmt: skip
    x = layers.LayerNormalization(epsilon=1e-6, name="norm")(x)
    features = {"map": layers.ToMap(prefix=1, name="map")(x, cells), "prefix": x[:, :1]}
    return heads.classify(keras.Model(images, features, name="cait"), config.classes, config.pool)
