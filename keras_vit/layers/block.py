"""The transformer block of the Vision Transformer."""

import keras
from keras import ops

from keras_vit.layers.attention import MultiHeadAttention
from keras_vit.layers.mlp import Mlp
from keras_vit.layers.residual import DropPath, LayerScale
from keras_vit.layers.window import WindowAttention


@keras.saving.register_keras_serializable("keras_vit")
class TransformerBlock(keras.layers.Layer):
    """Adds pre-normed attention, then a pre-normed MLP: (B, N, D) to (B, N, D).

    Dosovitskiy et al. 2021 (arXiv 2010.11929), equations 2 and 3. `hidden` is the width of the MLP;
    `layer_scale` the value at which each branch's LayerScale begins, None for no LayerScale;
    `drop_path` the share of samples that skip a branch in training. `talking_heads` and `queries` are those
    of MultiHeadAttention; with `queries` only so many first tokens change, and the rest are only read.
    With a `window` the block takes a map (B, h, w, D), and `window`, `shift` and `padding` are those of
    WindowAttention.
    """

    def __init__(
        self,
        heads,
        hidden,
        head_width=None,
        qkv_bias=True,
        qk_norm=False,
        activation="gelu",
        layer_scale=None,
        drop_path=0.0,
        dropout=0.0,
        attention_dropout=0.0,
        epsilon=1e-6,
        talking_heads=False,
        queries=None,
        window=None,
        shift=False,
        padding="timm",
        **kwargs,
    ):
        super().__init__(**kwargs)
        if window is not None and (talking_heads or queries is not None):
            raise ValueError("attention within a window has neither talking_heads nor queries")
        self.queries = queries
        policy = {"dtype": self.dtype_policy}
        self.norm1 = keras.layers.LayerNormalization(epsilon=epsilon, name="norm1", **policy)
        options = {
            "heads": heads, "head_width": head_width, "qkv_bias": qkv_bias, "qk_norm": qk_norm,
            "dropout": attention_dropout, "epsilon": epsilon, "name": "attention", **policy,
        }  # fmt: skip
        if window is None:
            self.attention = MultiHeadAttention(talking_heads=talking_heads, queries=queries, **options)
        else:
            self.attention = WindowAttention(window=window, shift=shift, padding=padding, **options)
        self.norm2 = keras.layers.LayerNormalization(epsilon=epsilon, name="norm2", **policy)
        self.mlp = Mlp(hidden, activation, dropout, name="mlp", **policy)
        self.drop = keras.layers.Dropout(dropout, name="drop", **policy)
        self.drop_path1 = DropPath(drop_path, name="drop_path1", **policy)
        self.drop_path2 = DropPath(drop_path, name="drop_path2", **policy)
        self.scale1 = self.scale2 = None
        if layer_scale is not None:
            self.scale1 = LayerScale(layer_scale, name="scale1", **policy)
            self.scale2 = LayerScale(layer_scale, name="scale2", **policy)

    def build(self, shape):
        for part in (self.norm1, self.attention, self.norm2, self.mlp, self.drop_path1, self.drop_path2):
            part.build(shape)
        for scale in filter(None, (self.scale1, self.scale2)):
            scale.build(shape)

    def call(self, x, bias=None, rotary=None, training=None, nudge=None):
        options = {"bias": bias, "rotary": rotary, "training": training, "nudge": nudge}
        attended = self.attention(self.norm1(x), **options)
        x, read = (x, None) if self.queries is None else (x[:, : self.queries], x[:, self.queries :])
        x = x + self._branch(self.drop(attended, training=training), self.scale1, self.drop_path1, training)
        widened = self.mlp(self.norm2(x), training=training)
        x = x + self._branch(widened, self.scale2, self.drop_path2, training)
        return x if read is None else ops.concatenate([x, read], axis=1)

    parts = (
        "norm1", "query", "key", "value", "attention", "attended", "branch1", "residual", "norm2", "mlp", "branch2",
    )  # fmt: skip
    # {name: (what skips the branch, what it adds)}, both of `parts`; None is the block's input
    branches = {"attention": (None, "branch1"), "mlp": ("residual", "branch2")}

    def inside(self, x, bias=None, rotary=None):
        """Returns {name: tensor} of `parts`, what this block computes on the way from its input `x` to its output.

        "query" to "attended" are those of the attention's `inside`, "branch1" is what its LayerScale makes of it,
        "residual" the sum with `x`, "mlp" the hidden activations of the MLP, and "branch2" what is added in the end.
        With `queries`, what follows the attention holds only these tokens.
        """
        norm1 = self.norm1(x)
        found = self.attention.inside(norm1, bias, rotary)
        x = x if self.queries is None else x[:, : self.queries]
        branch1 = self._branch(found["attended"], self.scale1, self.drop_path1, False)
        residual = x + branch1
        norm2 = self.norm2(residual)
        widened = self.mlp.widened(norm2)
        branch2 = self._branch(self.mlp.fc2(widened), self.scale2, self.drop_path2, False)
        return {
            **found, "norm1": norm1, "branch1": branch1, "residual": residual, "norm2": norm2, "mlp": widened,
            "branch2": branch2,
        }  # fmt: skip

    def compute_output_shape(self, shape):
        return shape

    @staticmethod
    def _branch(x, scale, drop_path, training):
        return drop_path(x if scale is None else scale(x), training=training)
