"""Blocks that mix the tokens of an image by fully connected layers, without attention."""

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from keras_vit.layers.dense import Dense
from keras_vit.layers.intermediates import Tappable
from keras_vit.layers.mlp import Mlp
from keras_vit.layers.norm import LayerNormalization
from keras_vit.layers.residual import DropPath, LayerScale

_NORMS = ("layer", "affine")


@keras.saving.register_keras_serializable("keras_vit")
class Affine(keras.layers.Layer):
    """Multiplies each channel by a learned number and adds another: (..., D) to (..., D).

    Touvron et al. 2021 (arXiv 2105.03404), in the place of a normalisation.
    """

    def build(self, shape: tuple) -> None:
        self.alpha = self.add_weight((shape[-1],), "ones", name="alpha")
        self.beta = self.add_weight((shape[-1],), "zeros", name="beta")

    def call(self, x: Any) -> Any:
        return x * ops.convert_to_tensor(self.alpha) + ops.convert_to_tensor(self.beta)


@keras.saving.register_keras_serializable("keras_vit")
class MixerBlock(Tappable):
    """Adds a mix of the tokens, channel by channel, then an MLP, token by token: (B, N, D) to (B, N, D).

    Tolstikhin et al. 2021 (arXiv 2105.01601), whose tokens an MLP of width `token_mlp_dim` mixes; with
    None one linear layer does, as in ResMLP. `norm` is "layer" or "affine"; `layer_scale` the value at
    which each branch's LayerScale begins, None for no LayerScale. N is fixed by the weights.
    """

    def __init__(
        self,
        token_mlp_dim: int | None,
        mlp_dim: int,
        norm: str = "layer",
        layer_scale: float | None = None,
        drop_path: float = 0.0,
        dropout: float = 0.0,
        epsilon: float = 1e-6,
        **kwargs: Any,
    ):
        super().__init__(**kwargs)
        if norm not in _NORMS:
            raise ValueError(f"norm is one of {', '.join(_NORMS)}, not {norm!r}")
        self.token_mlp_dim = token_mlp_dim
        policy = {"dtype": self.dtype_policy}
        make_norm = Affine if norm == "affine" else _layer_norm(epsilon)
        self.norm1 = make_norm(name="norm1", **policy)
        self.norm2 = make_norm(name="norm2", **policy)
        self.mlp = Mlp(mlp_dim, dropout=dropout, name="mlp", **policy)
        self.drop_path1 = DropPath(drop_path, name="drop_path1", **policy)
        self.drop_path2 = DropPath(drop_path, name="drop_path2", **policy)
        self.token_dropout = dropout
        self.scale1 = self.scale2 = None
        if layer_scale is not None:
            self.scale1 = LayerScale(layer_scale, name="scale1", **policy)
            self.scale2 = LayerScale(layer_scale, name="scale2", **policy)

    def build(self, shape: tuple) -> None:
        count, policy = shape[1], {"dtype": self.dtype_policy}
        if count is None:
            raise ValueError("a MixerBlock has a weight for every token: it needs a fixed number of them")
        if self.token_mlp_dim is None:
            self.tokens = Dense(count, name="tokens", **policy)
        else:
            self.tokens = Mlp(self.token_mlp_dim, dropout=self.token_dropout, name="tokens", **policy)
        self.tokens.build((shape[0], shape[2], count))
        for part in (self.norm1, self.norm2, self.mlp, self.drop_path1, self.drop_path2, self.scale1, self.scale2):
            if part is not None:
                part.build(shape)

    @property
    def intermediates(self) -> tuple[str, ...]:  # type: ignore[override]
        """The names that `call` knows; a linear layer over the tokens has no activations."""
        mlp = () if self.token_mlp_dim is None else ("token_mlp",)
        return ("norm1", *mlp, "branch1", "residual", "norm2", "mlp", "branch2")

    branches = {"tokens": (None, "branch1"), "mlp": ("residual", "branch2")}

    def call(self, x: Any, training: bool | None = None, intermediates: Sequence[str] | None = None) -> Any:
        """Computes the output; `intermediates` as in TransformerBlock, where "token_mlp" is (B, D, token_mlp_dim)."""
        norm1 = self.norm1(x)
        turned = ops.swapaxes(norm1, 1, 2)
        if self.token_mlp_dim is None:
            tokens = {"out": self.tokens(turned, training=training)}
        else:
            tokens = self.tokens(turned, training=training, intermediates=["activations"])
        branch1 = self._branch(ops.swapaxes(tokens["out"], 1, 2), self.scale1, self.drop_path1, training)
        residual = x + branch1
        norm2 = self.norm2(residual)
        mlp = self.mlp(norm2, training=training, intermediates=["activations"])
        branch2 = self._branch(mlp["out"], self.scale2, self.drop_path2, training)
        tensors = {
            "norm1": norm1, "token_mlp": tokens.get("activations"), "branch1": branch1, "residual": residual,
            "norm2": norm2, "mlp": mlp["activations"], "branch2": branch2, "out": residual + branch2,
        }  # fmt: skip
        return self.select(tensors, intermediates)

    def compute_output_shape(self, shape: tuple) -> tuple:
        return shape

    @staticmethod
    def _branch(x, scale, drop_path, training):
        return drop_path(x if scale is None else scale(x), training=training)


def _layer_norm(epsilon):
    return lambda **options: LayerNormalization(epsilon=epsilon, **options)
