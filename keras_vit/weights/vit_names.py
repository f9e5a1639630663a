"""What the publishers of plain vision transformers call their tensors; for the families that are such networks."""

from dataclasses import dataclass

from keras_vit.weights import hybrid
from keras_vit.weights.sources import FLAX, Rule, Source, grid_rows, joined, prefix_rows, reshaped, rows_after, stacked

_BEFORE = ("class_token/position", "distillation_token/position", "registers/position")  # in order
TIMM = Source(
    rules=(
        *hybrid.TIMM,
        Rule("embed/", "patch_embed.proj."),
        Rule("pre_norm/", "norm_pre."),
        Rule("class_token/token", "cls_token"),
        Rule("distillation_token/token", "dist_token"),
        Rule("registers/token", "reg_token"),
        *(Rule(path, "pos_embed", rows_after(*_BEFORE[:i])) for i, path in enumerate(_BEFORE)),
        Rule("position/table", "pos_embed", rows_after(*_BEFORE)),
        Rule("rotary/frequencies", "rope.freqs"),
        Rule(r"block_(\d+)/attention/qkv/", r"blocks.\1.attn.qkv."),
        Rule(r"block_(\d+)/attention/out/", r"blocks.\1.attn.proj."),
        Rule(r"block_(\d+)/scale(\d)/gamma", r"blocks.\1.ls\2.gamma"),
        Rule(r"block_(\d+)/scale(\d)/gamma", r"blocks.\1.gamma_\2"),  # where positions are rotary
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


@dataclass(frozen=True)
class _ClassToken:
    """A class token; plus the first row of the position table, where our model keeps no position of its own for it."""

    alone: bool = True

    def among(self, shapes):
        return _ClassToken("class_token/position" in shapes)

    def __call__(self, shape, token, table):
        token, table = token.reshape(shape), table.reshape(-1, shape[-1])
        return token if self.alone else token + table[:1]


_LAYER = r"encoder.layer.\1."
_PLAIN = (
    (r"block_(\d+)/norm1/", _LAYER + "layernorm_before."),
    (r"block_(\d+)/norm2/", _LAYER + "layernorm_after."),
    (r"block_(\d+)/mlp/fc1/", _LAYER + "intermediate.dense."),
    (r"block_(\d+)/mlp/fc2/", _LAYER + "output.dense."),
)
_DINO = (
    (r"block_(\d+)/scale(\d)/gamma", r"encoder.layer.\1.layer_scale\2.lambda1"),
    (r"block_(\d+)/mlp/fc1/", _LAYER + "mlp.fc1."),
    (r"block_(\d+)/mlp/fc1/", _LAYER + "mlp.weights_in."),  # gated
    (r"block_(\d+)/mlp/fc2/", _LAYER + "mlp.fc2."),
    (r"block_(\d+)/mlp/fc2/", _LAYER + "mlp.weights_out."),
    (r"block_(\d+)/", _LAYER),
)


def hugging_face(*bases: str, dino: bool = False) -> Source:
    """Returns the Source of transformers' names, before which one of `bases` may stand, such as "vit.".

    With `dino` the blocks are called as in DINOv2, whose class token has a position among the registers too.
    """
    parts = [f"{_LAYER}attention.attention.{part}." for part in ("query", "key", "value")]
    positions = "embeddings.position_embeddings"
    rules = (
        Rule("embed/", "embeddings.patch_embeddings.projection."),
        *([Rule("class_token/token", ("embeddings.cls_token", positions), _ClassToken())] * dino),
        Rule("class_token/token", "embeddings.cls_token"),
        Rule("distillation_token/token", "embeddings.distillation_token"),
        Rule("registers/token", "embeddings.register_tokens"),
        *(Rule(path, positions, rows_after(*_BEFORE[:i])) for i, path in enumerate(_BEFORE[:2])),
        # transformers' DINOv2 resizes a square table even where the positions of its own, oblong images are as many
        Rule("position/table", positions, grid_rows(1, square=True) if dino else rows_after(*_BEFORE[:2])),
        Rule(r"block_(\d+)/attention/qkv/", tuple(parts), stacked),
        Rule(r"block_(\d+)/attention/out/", _LAYER + "attention.output.dense."),
        *(Rule(*each) for each in (_DINO if dino else _PLAIN)),
        Rule("norm/", "layernorm."),
        Rule("head/", "classifier."),
        Rule("head/", "cls_classifier."),
        Rule("head_dist/", "distillation_classifier."),
    )
    # the mask token stands for patches that masked pre-training hides; the pooler is a head that classifiers lack
    return Source(rules=rules, ignore=("embeddings.mask_token",), others=(r"pooler\.dense\..*",), bases=bases)
