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
    mlp_dim: int  # width of a block's MLP
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
    distillation: str | None = None  # a distillation token with a head of its own; "mean" or "both" logits, or "head"
    registers: int = 0  # tokens that belong to no patch and to no head (Darcet et al. 2024, arXiv 2309.16588)
    position: str = "learned"  # or "rotary", or "mixed" (rotary at learned frequencies)
    prefix_position: bool = True  # the tokens before the patches have learned positions too
    rotary_temperature: float = 100.0  # the larger, the slower the slowest rotation
    pre_norm: bool = False  # a norm before the blocks, and patches without a bias
    qkv_bias: bool = True
    activation: str = "gelu"  # of the MLP; "swiglu" is gated, with `mlp_dim` numbers each way
    layer_scale: float | None = None  # where LayerScale begins
    epsilon: float = 1e-6  # of the norms
    drop_path: float = 0.0  # of the last block; it grows linearly from 0
    dropout: float = 0.0
    attention_dropout: float = 0.0


def row(width: int, depth: int, heads: int, mlp_dim: int, patch: int, size: int = 224, **options) -> ViT:
    """Returns the configuration of a published model of `size` px."""
    shape = {"width": width, "depth": depth, "heads": heads, "mlp_dim": mlp_dim, "patch": patch}
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
    "width": Times((0.5, 1, 1.5), also=("mlp_dim",)),
    "patch": Times((0.5, 1, 2)),
    "drop_path": Range(0.0, 0.3),
}
SOURCES = {"timm": vit_names.TIMM, "npz": vit_names.NPZ, "huggingface": vit_names.hugging_face("vit.")}


@register(VARIANTS, sources=SOURCES, small=SMALL, space=SPACE)
def vit(config: ViT) -> keras.Model:
    """Returns the functional model of `config`."""
    return transformer(config, "vit")


def transformer(config: ViT, name: str) -> keras.Model:
    """Returns the functional model `name` of `config`: tokens, blocks, and one head or two."""
    if config.position not in ("learned", "rotary", "mixed"):
        raise ValueError(f"position is 'learned', 'rotary' or 'mixed', not {config.position!r}")
    if not config.class_token and (config.pool == "token" or config.distillation is not None):
        raise ValueError("without a class_token no head can read it; pass pool='mean' and distillation=None")
    images, cells = _cells(config)
    x, prefix = _tokens(config, cells)
    rotary = _rotary(config, cells, prefix)
    for i in range(config.depth):
        x = layers.TransformerBlock(
            config.heads,
            config.mlp_dim,
            qkv_bias=config.qkv_bias,
            activation=config.activation,
            layer_scale=config.layer_scale,
            drop_path=config.drop_path * i / max(config.depth - 1, 1),
            dropout=config.dropout,
            attention_dropout=config.attention_dropout,
            epsilon=config.epsilon,
            name=f"block_{i}",
        )(x, rotary=rotary[i])
    if not config.pool_norm:
        x = layers.LayerNormalization(epsilon=config.epsilon, name="norm")(x)
    features = {"map": layers.ToMap(prefix, name="map")(x, cells)}
    if prefix:
        features["prefix"] = x[:, :prefix]
    backbone = keras.Model(images, features, name=name)
    if config.distillation is not None:
        return heads.classify_distilled(backbone, config.classes, config.distillation)
    return heads.classify(backbone, config.classes, config.pool, norm=config.pool_norm)


def _cells(config):
    """Returns the input and the map of its patches, with positions where a table holds them."""
    patch = layers.pair(config.patch, "patch")
    if config.stem and config.trunk is not None:
        raise ValueError(f"stem={config.stem} and trunk={config.trunk} both stand before the patches; give one of them")
    stride = 2 ** len(config.stem) if config.trunk is None else layers.trunk_stride(config.trunk)
    step = (patch[0] * stride, patch[1] * stride)
    images, cells = layers.image_input(config.image_size, config.channels, multiple=step)
    if config.trunk is not None:
        cells, _ = layers.residual_trunk(cells, config.trunk, groups=32, padding="same")
    elif config.stem:
        cells = layers.convolutional_stem(cells, config.stem)
    name = "embed" if config.trunk is None else "project"
    cells = layers.PatchEmbed(config.width, patch, use_bias=not config.pre_norm, name=name)(cells)
    if config.position == "learned":
        size = layers.pair(config.native_size if config.image_size is None else config.image_size)
        cells = layers.PositionEmbedding((size[0] // step[0], size[1] // step[1]), name="position")(cells)
    return images, cells


def _tokens(config, cells):
    """Returns the tokens of `cells` and those before them, and how many these are."""
    before = {
        "registers": config.registers,
        "distillation_token": config.distillation is not None,
        "class_token": config.class_token,
    }
    positioned = config.position == "learned" and config.prefix_position
    x = layers.ToTokens(name="tokens")(cells)
    for name, count in before.items():
        if count:
            x = layers.ClassToken(int(count), position=positioned, name=name)(x)
    x = keras.layers.Dropout(config.dropout, name="embed_dropout")(x)
    if config.pre_norm:
        x = layers.LayerNormalization(epsilon=config.epsilon, name="pre_norm")(x)
    return x, sum(before.values())


def _rotary(config, cells, prefix):
    """Returns for each block the rotation of its queries and keys, None for none."""
    if config.position == "learned":
        return [None] * config.depth
    return layers.RotaryPosition(
        config.width // config.heads,
        config.depth,
        config.heads if config.position == "mixed" else None,
        config.rotary_temperature,
        prefix,
        name="rotary",
    )(cells)
