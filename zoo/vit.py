"""The Vision Transformer: Dosovitskiy et al. 2021, "An Image is Worth 16x16 Words" (arXiv 2010.11929).

Its later forms are options: mean pooling, registers, LayerScale, rotary positions, CLIP's norm before the blocks,
a convolutional stem, and the hybrids, whose patches are cut from the map of a residual network.
"""

from dataclasses import dataclass

import keras

from keras_vit import heads, layers, register
from keras_vit.spaces import Range, Times
from keras_vit.weights import vit_names


@dataclass(frozen=True, kw_only=True)
class ViT:
    """A plain ViT; DeiT, DeiT III and DINOv2 are rows of it too."""

    width: int  # of a token
    depth: int  # blocks
    heads: int
    hidden: int  # width of a block's MLP
    patch: int | tuple[int, int] = 16  # of the images, or of the map of the stem or trunk
    stem: tuple[int, ...] = ()  # widths of 3x3 convolutions of stride 2 before the patches
    trunk: tuple[int, ...] | None = None  # a hybrid's blocks of each stage, () for the stem alone
    image_size: int | tuple[int, int] | None = 224  # None for any
    native_size: int | tuple[int, int] = 224  # whose grid the position table keeps when image_size is None
    channels: int = 3
    classes: int = 1000  # 0 for the backbone alone
    pool: str = "token"  # or "mean"
    pool_norm: bool = False  # the last norm follows the pooling, as part of the head
    class_token: bool = True
    distillation: str | None = None  # a distillation token with a head of its own; "mean" or "both" logits
    registers: int = 0  # tokens that belong to no patch and to no head (Darcet et al. 2024, arXiv 2309.16588)
    position: str = "learned"  # or "rotary", or "mixed" (rotary at learned frequencies)
    prefix_position: bool = True  # the tokens before the patches have learned positions too
    rotary_temperature: float = 100.0  # the larger, the slower the slowest rotation
    pre_norm: bool = False  # a norm before the blocks, and patches without a bias
    qkv_bias: bool = True
    activation: str = "gelu"  # of the MLP; "swiglu" is gated, with `hidden` numbers each way
    layer_scale: float | None = None  # where LayerScale begins
    epsilon: float = 1e-6  # of the norms
    drop_path: float = 0.0  # of the last block; it grows linearly from 0
    dropout: float = 0.0
    attention_dropout: float = 0.0


def row(width, depth, heads, hidden, patch, size=224, **options):
    """Returns the configuration of a published model of `size` px."""
    shape = {"width": width, "depth": depth, "heads": heads, "hidden": hidden, "patch": patch}
    return ViT(**shape, image_size=size, native_size=size, **options)


TI, S, M, B = (192, 12, 3, 768), (384, 12, 6, 1536), (512, 12, 8, 2048), (768, 12, 12, 3072)
L, H = (1024, 24, 16, 4096), (1280, 32, 16, 5120)
_GAP = {"class_token": False, "pool": "mean"}
_REG_GAP = {**_GAP, "pool_norm": True, "prefix_position": False, "registers": 4}
_CLIP = {"pre_norm": True, "epsilon": 1e-5}
VARIANTS = {
    "ti16": row(*TI, 16),
    "s32": row(*S, 32),
    "s16": row(*S, 16),
    "s8": row(*S, 8),
    "b32": row(*B, 32),
    "b16": row(*B, 16),
    "b16-384": row(*B, 16, 384),
    "b8": row(*B, 8),
    "l32": row(*L, 32),
    "l32-384": row(*L, 32, 384),
    "l16": row(*L, 16),
    "l16-384": row(*L, 16, 384),
    "l14": row(*L, 14),
    "h14": row(*H, 14),
    "g14": row(1408, 40, 16, 6144, 14),
    "gg14": row(1664, 48, 16, 8192, 14),
    "b16-gap": row(768, 12, 16, 3072, 16, **_GAP),  # 16 heads
    "b16-reg4-gap": row(*B, 16, 256, **_REG_GAP),
    "medium16-reg4-gap": row(*M, 16, 256, layer_scale=1e-5, **_REG_GAP),
    "so150m2-reg1-gap": row(
        832, 21, 13, 2176, 16, 256, layer_scale=1e-5, qkv_bias=False, registers=1, pool_norm=True, **_GAP
    ),
    "b16-rope": row(*B, 16, position="rotary", layer_scale=1e-5),
    "b16-rope-mixed": row(*B, 16, position="mixed", rotary_temperature=10.0, layer_scale=1e-5),
    "b16-clip": row(*B, 16, **_CLIP),
    "l14-clip": row(*L, 14, **_CLIP),
    "r-ti16": row(*TI, 8, trunk=()),
    "r26-s32": row(*S, 1, trunk=(2, 2, 2, 2)),
    "r50-b16": row(*B, 1, trunk=(3, 4, 9)),
    "r50-b16-384": row(*B, 1, 384, trunk=(3, 4, 9)),
    "r50-l32": row(*L, 1, trunk=(3, 4, 6, 3)),
    "r50-l32-384": row(*L, 1, 384, trunk=(3, 4, 6, 3)),
}  # fmt: skip
SMALL = row(24, 3, 3, 40, 8, (32, 32))
SPACE = {
    "depth": Times((0.5, 1, 1.5)),
    "width": Times((0.5, 1, 1.5), also=("hidden",)),
    "patch": Times((0.5, 1, 2)),
    "drop_path": Range(0.0, 0.3),
}
SOURCES = {"timm": vit_names.TIMM, "npz": vit_names.NPZ, "huggingface": vit_names.hugging_face("vit.", "")}


@register(VARIANTS, sources=SOURCES, small=SMALL, space=SPACE)
def vit(c):
    """Returns the functional model of the configuration `c`."""
    return transformer(c, "vit")


def transformer(c, name):
    """Returns the functional model `name` of the configuration `c`: tokens, blocks, and one head or two."""
    if c.position not in ("learned", "rotary", "mixed"):
        raise ValueError(f"position is 'learned', 'rotary' or 'mixed', not {c.position!r}")
    if not c.class_token and (c.pool == "token" or c.distillation is not None):
        raise ValueError("without a class_token no head can read it; pass pool='mean' and distillation=None")
    images, cells = _cells(c)
    x, prefix = _tokens(c, cells)
    rotary = _rotary(c, cells, prefix)
    for i in range(c.depth):
        x = layers.TransformerBlock(
            c.heads,
            c.hidden,
            qkv_bias=c.qkv_bias,
            activation=c.activation,
            layer_scale=c.layer_scale,
            drop_path=c.drop_path * i / max(c.depth - 1, 1),
            dropout=c.dropout,
            attention_dropout=c.attention_dropout,
            epsilon=c.epsilon,
            name=f"block_{i}",
        )(x, rotary=rotary[i])
    if not c.pool_norm:
        x = keras.layers.LayerNormalization(epsilon=c.epsilon, name="norm")(x)
    features = {"map": layers.ToMap(prefix, name="map")(x, cells)}
    if prefix:
        features["prefix"] = x[:, :prefix]
    backbone = keras.Model(images, features, name=name)
    if c.distillation is not None:
        return heads.classify_distilled(backbone, c.classes, c.distillation)
    return heads.classify(backbone, c.classes, c.pool, norm=c.pool_norm)


def _cells(c):
    """Returns the input and the map of its patches, with positions where a table holds them."""
    patch = layers.pair(c.patch, "patch")
    if c.stem and c.trunk is not None:
        raise ValueError(f"stem={c.stem} and trunk={c.trunk} both stand before the patches; give one of them")
    stride = 2 ** len(c.stem) if c.trunk is None else layers.trunk_stride(c.trunk)
    step = (patch[0] * stride, patch[1] * stride)
    images, cells = layers.image_input(c.image_size, c.channels, multiple=step)
    if c.trunk is not None:
        cells, _ = layers.residual_trunk(cells, c.trunk, groups=32, padding="same")
    elif c.stem:
        cells = layers.convolutional_stem(cells, c.stem)
    name = "embed" if c.trunk is None else "project"
    cells = layers.PatchEmbed(c.width, patch, use_bias=not c.pre_norm, name=name)(cells)
    if c.position == "learned":
        size = layers.pair(c.native_size if c.image_size is None else c.image_size)
        cells = layers.PositionEmbedding((size[0] // step[0], size[1] // step[1]), name="position")(cells)
    return images, cells


def _tokens(c, cells):
    """Returns the tokens of `cells` and those before them, and how many these are."""
    before = {"registers": c.registers, "distillation_token": c.distillation is not None, "class_token": c.class_token}
    positioned = c.position == "learned" and c.prefix_position
    x = layers.ToTokens(name="tokens")(cells)
    for name, count in before.items():
        if count:
            x = layers.ClassToken(int(count), position=positioned, name=name)(x)
    x = keras.layers.Dropout(c.dropout, name="embed_dropout")(x)
    if c.pre_norm:
        x = keras.layers.LayerNormalization(epsilon=c.epsilon, name="pre_norm")(x)
    return x, sum(before.values())


def _rotary(c, cells, prefix):
    """Returns for each block the rotation of its queries and keys, None for none."""
    if c.position == "learned":
        return [None] * c.depth
    return layers.RotaryPosition(
        c.width // c.heads,
        c.depth,
        c.heads if c.position == "mixed" else None,
        c.rotary_temperature,
        prefix,
        name="rotary",
    )(cells)
