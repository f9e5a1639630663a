"""The transformer block of the Vision Transformer."""

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from keras_vit.layers.attention import MultiHeadAttention
from keras_vit.layers.intermediates import Tappable
from keras_vit.layers.mlp import Mlp
from keras_vit.layers.norm import LayerNormalization
from keras_vit.layers.residual import DropPath, LayerScale
from keras_vit.layers.window import WindowAttention


@keras.saving.register_keras_serializable("keras_vit")
class TransformerBlock(Tappable):
    """Adds pre-normed attention, then a pre-normed MLP: (B, N, D) to (B, N, D).

    Dosovitskiy et al. 2021 (arXiv 2010.11929), equations 2 and 3. `mlp_dim` is the width of the MLP;
    `layer_scale` the value at which each branch's LayerScale begins, None for no LayerScale;
    `drop_path` the share of samples that skip a branch in training. `talking_heads` and `queries` are those
    of MultiHeadAttention; if `queries` is set, only the first `queries` tokens change, and the others are only read.
    With a `window` the block takes a map (B, h, w, D), and `window`, `shift` and `padding` are those of
    WindowAttention.
    """

    def __init__(
        self,
        heads: int,
        mlp_dim: int,
        head_width: int | None = None,
        qkv_bias: bool | str = True,
        qk_norm: bool = False,
        activation: str = "gelu",
        layer_scale: float | None = None,
        drop_path: float = 0.0,
        dropout: float = 0.0,
        attention_dropout: float = 0.0,
        epsilon: float = 1e-6,
        talking_heads: bool = False,
        queries: int | None = None,
        window: int | tuple[int, int] | None = None,
        shift: bool = False,
        padding: str = "timm",
        **kwargs: Any,
    ):
        super().__init__(**kwargs)
        if window is not None and (talking_heads or queries is not None):
            raise ValueError("attention within a window has neither talking_heads nor queries")
        self.queries = queries
        policy = {"dtype": self.dtype_policy}
        self.norm1 = LayerNormalization(epsilon=epsilon, name="norm1", **policy)
        options: dict[str, Any] = {
            "heads": heads, "head_width": head_width, "qkv_bias": qkv_bias, "qk_norm": qk_norm,
            "dropout": attention_dropout, "epsilon": epsilon, "name": "attention", **policy,
        }  # fmt: skip
        if window is None:
            self.attention: Tappable = MultiHeadAttention(talking_heads=talking_heads, queries=queries, **options)
        else:
            self.attention = WindowAttention(window=window, shift=shift, padding=padding, **options)
        self.norm2 = LayerNormalization(epsilon=epsilon, name="norm2", **policy)
        self.mlp = Mlp(mlp_dim, activation, dropout, name="mlp", **policy)
        self.drop = keras.layers.Dropout(dropout, name="drop", **policy)
        self.drop_path1 = DropPath(drop_path, name="drop_path1", **policy)
        self.drop_path2 = DropPath(drop_path, name="drop_path2", **policy)
        self.scale1 = self.scale2 = None
        if layer_scale is not None:
            self.scale1 = LayerScale(layer_scale, name="scale1", **policy)
            self.scale2 = LayerScale(layer_scale, name="scale2", **policy)

    def build(self, shape: tuple) -> None:
        for part in (self.norm1, self.attention, self.norm2, self.mlp, self.drop_path1, self.drop_path2):
            part.build(shape)
        for scale in filter(None, (self.scale1, self.scale2)):
            scale.build(shape)

    intermediates = (
        "norm1", "query", "key", "value", "attention", "attended", "branch1", "residual", "norm2", "mlp", "branch2",
    )  # fmt: skip
    branches = {"attention": (None, "branch1"), "mlp": ("residual", "branch2")}

    def call(
        self,
        x: Any,
        bias: Any = None,
        rotary: tuple[Any, Any] | None = None,
        training: bool | None = None,
        attention_delta: Any = None,
        intermediates: Sequence[str] | None = None,
    ) -> Any:
        """Computes the output; `bias`, `rotary` and `attention_delta` are those of the attention.

        With `intermediates`, as in Tappable, "query" to "attention" are those of the attention and "attended" is its
        output, "branch1" is what is added to `x`, "residual" the sum, "mlp" the activations of the MLP (B, N, mlp_dim),
        and "branch2" what is added in the end. With `queries`, what follows the attention holds only these tokens.
        """
        norm1 = self.norm1(x)
        asked = [name for name in self.attention.intermediates if name in (intermediates or ())]
        options = {"bias": bias, "rotary": rotary, "training": training, "attention_delta": attention_delta}
        tensors = self.attention(norm1, intermediates=asked, **options)
        attended = tensors.pop("out")
        x, read = (x, None) if self.queries is None else (x[:, : self.queries], x[:, self.queries :])
        branch1 = self._branch(self.drop(attended, training=training), self.scale1, self.drop_path1, training)
        residual = x + branch1
        norm2 = self.norm2(residual)
        mlp = self.mlp(norm2, training=training, intermediates=["activations"])
        branch2 = self._branch(mlp["out"], self.scale2, self.drop_path2, training)
        out = residual + branch2
        tensors |= {
            "norm1": norm1, "attended": attended, "branch1": branch1, "residual": residual, "norm2": norm2,
            "mlp": mlp["activations"], "branch2": branch2,
            "out": out if read is None else ops.concatenate([out, read], axis=1),
        }  # fmt: skip
        return self.select(tensors, intermediates)

    def compute_output_shape(self, shape: tuple) -> tuple:
        return shape

    @staticmethod
    def _branch(x, scale, drop_path, training):
        return drop_path(x if scale is None else scale(x), training=training)
