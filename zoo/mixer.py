"""MLP-Mixer: Tolstikhin et al. 2021, "MLP-Mixer: An all-MLP Architecture for Vision" (arXiv 2105.01601)."""

from dataclasses import dataclass
from typing import ClassVar

import keras

from keras_vit import heads, layers, register
from keras_vit.spaces import Range, Times
from keras_vit.weights import FLAX, Rule, Source


@dataclass(frozen=True, kw_only=True)
class Mixer:
    """Perceptrons that mix the patches of an image, and perceptrons that mix the channels of a patch."""

    any_size: ClassVar[bool] = False  # the mixing of patches has weights for each of them

    width: int  # of a token
    depth: int  # blocks
    token_mlp_dim: int | None  # width of the MLP over tokens; None for one linear layer
    mlp_dim: int  # width of the MLP over channels
    patch: int | tuple[int, int] = 16
    norm: str = "layer"  # or "affine"
    layer_scale: float | None = None  # where each branch's LayerScale begins; None for no LayerScale
    image_size: int | tuple[int, int] = 224
    channels: int = 3
    classes: int = 1000  # 0 for the backbone alone
    drop_path: float = 0.0  # of the last block; it grows linearly from 0
    dropout: float = 0.0


def _row(width, depth, token_mlp_dim, mlp_dim, patch, size=224):
    return Mixer(width=width, depth=depth, token_mlp_dim=token_mlp_dim, mlp_dim=mlp_dim, patch=patch, image_size=size)


_S, _B, _L = (512, 8, 256, 2048), (768, 12, 384, 3072), (1024, 24, 512, 4096)
VARIANTS = {
    "s32": _row(*_S, 32),
    "s16": _row(*_S, 16),
    "b32": _row(*_B, 32),
    "b16": _row(*_B, 16),
    "l32": _row(*_L, 32),
    "l16": _row(*_L, 16),
}
SMALL = _row(24, 2, 14, 40, 8, (32, 48))


TIMM = Source(
    rules=(
        Rule("embed/", "stem.proj."),
        Rule(r"block_(\d+)/tokens/", r"blocks.\1.mlp_tokens."),
        Rule(r"block_(\d+)/mlp/", r"blocks.\1.mlp_channels."),
        Rule(r"block_(\d+)/", r"blocks.\1."),
    )
)
_BLOCK = r"MixerBlock_\1/"
NPZ = Source(  # the release of the paper
    rules=(
        Rule("embed/", "stem/"),
        Rule(r"block_(\d+)/norm1/", _BLOCK + "LayerNorm_0/"),
        Rule(r"block_(\d+)/norm2/", _BLOCK + "LayerNorm_1/"),
        Rule(r"block_(\d+)/tokens/fc1/", _BLOCK + "token_mixing/Dense_0/"),
        Rule(r"block_(\d+)/tokens/fc2/", _BLOCK + "token_mixing/Dense_1/"),
        Rule(r"block_(\d+)/mlp/fc1/", _BLOCK + "channel_mixing/Dense_0/"),
        Rule(r"block_(\d+)/mlp/fc2/", _BLOCK + "channel_mixing/Dense_1/"),
        Rule("norm/", "pre_head_layer_norm/"),
    ),
    layout=FLAX,
)


SPACE = {
    "depth": Times((0.5, 1, 1.5)),
    "width": Times((0.5, 1, 1.5), also=("mlp_dim", "token_mlp_dim")),
    "patch": Times((0.5, 1, 2)),
    "drop_path": Range(0.0, 0.3),
}


@register(VARIANTS, sources={"timm": TIMM, "npz": NPZ}, small=SMALL, space=SPACE)
def mixer(config: Mixer) -> keras.Model:
    """Returns the functional model of `config`, for images of exactly its size."""
    if config.image_size is None:
        raise ValueError("image_size=None won't do: the mixing of patches has a weight for each; give the images' size")
    patch = layers.pair(config.patch, "patch")
    images, x = layers.image_input(config.image_size, config.channels, multiple=patch)
    cells = layers.PatchEmbed(config.width, patch, name="embed")(x)
    x = layers.ToTokens(name="tokens")(cells)
    for i in range(config.depth):
        x = layers.MixerBlock(
            config.token_mlp_dim,
            config.mlp_dim,
            config.norm,
            config.layer_scale,
            drop_path=config.drop_path * i / max(config.depth - 1, 1),
            dropout=config.dropout,
            name=f"block_{i}",
        )(x)
    last = layers.Affine if config.norm == "affine" else layers.LayerNormalization
    x = last(name="norm", **({} if config.norm == "affine" else {"epsilon": 1e-6}))(x)
    return heads.classify(
        keras.Model(images, {"map": layers.ToMap(name="map")(x, cells)}, name="mixer"), config.classes
    )
