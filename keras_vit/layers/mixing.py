"""Blocks that mix the tokens of an image by fully connected layers, without attention."""

import keras
from keras import ops

from keras_vit.layers.mlp import Mlp
from keras_vit.layers.residual import DropPath, LayerScale

_NORMS = ("layer", "affine")


@keras.saving.register_keras_serializable("keras_vit")
class Affine(keras.layers.Layer):
    """Multiplies each channel by a learned number and adds another: (..., D) to (..., D).

    Touvron et al. 2021 (arXiv 2105.03404), in the place of a normalisation.
    """

    def build(self, shape):
        self.alpha = self.add_weight((shape[-1],), "ones", name="alpha")
        self.beta = self.add_weight((shape[-1],), "zeros", name="beta")

    def call(self, x):
        return x * ops.convert_to_tensor(self.alpha) + ops.convert_to_tensor(self.beta)


@keras.saving.register_keras_serializable("keras_vit")
class MixerBlock(keras.layers.Layer):
    """Adds a mix of the tokens, channel by channel, then an MLP, token by token: (B, N, D) to (B, N, D).

    Tolstikhin et al. 2021 (arXiv 2105.01601), whose tokens an MLP of width `token_hidden` mixes; with
    None one linear layer does, as in ResMLP. `norm` is "layer" or "affine"; `layer_scale` the value at
    which each branch's LayerScale begins, None for no LayerScale. N is fixed by the weights.
    """

    def __init__(
        self,
        token_hidden,
        hidden,
        norm="layer",
        layer_scale=None,
        drop_path=0.0,
        dropout=0.0,
        epsilon=1e-6,
        **kwargs,
    ):
        super().__init__(**kwargs)
        if norm not in _NORMS:
            raise ValueError(f"norm is one of {', '.join(_NORMS)}, not {norm!r}")
        self.token_hidden = token_hidden
        policy = {"dtype": self.dtype_policy}
        make_norm = Affine if norm == "affine" else _layer_norm(epsilon)
        self.norm1 = make_norm(name="norm1", **policy)
        self.norm2 = make_norm(name="norm2", **policy)
        self.mlp = Mlp(hidden, dropout=dropout, name="mlp", **policy)
        self.drop_path1 = DropPath(drop_path, name="drop_path1", **policy)
        self.drop_path2 = DropPath(drop_path, name="drop_path2", **policy)
        self.token_dropout = dropout
        self.scale1 = self.scale2 = None
        if layer_scale is not None:
            self.scale1 = LayerScale(layer_scale, name="scale1", **policy)
            self.scale2 = LayerScale(layer_scale, name="scale2", **policy)

    def build(self, shape):
        count, policy = shape[1], {"dtype": self.dtype_policy}
        if count is None:
            raise ValueError("a MixerBlock has a weight for every token: it needs a fixed number of them")
        if self.token_hidden is None:
            self.tokens = keras.layers.Dense(count, name="tokens", **policy)
        else:
            self.tokens = Mlp(self.token_hidden, dropout=self.token_dropout, name="tokens", **policy)
        self.tokens.build((shape[0], shape[2], count))
        for part in (self.norm1, self.norm2, self.mlp, self.drop_path1, self.drop_path2, self.scale1, self.scale2):
            if part is not None:
                part.build(shape)

    def call(self, x, training=None):
        mixed = self.tokens(ops.swapaxes(self.norm1(x), 1, 2), training=training)
        x = x + self._branch(ops.swapaxes(mixed, 1, 2), self.scale1, self.drop_path1, training)
        return x + self._branch(self.mlp(self.norm2(x), training=training), self.scale2, self.drop_path2, training)

    @property
    def parts(self):
        """The names of what `inside` gives; a linear layer over the tokens has nothing hidden."""
        hidden = () if self.token_hidden is None else ("token_mlp",)
        return ("norm1", *hidden, "branch1", "residual", "norm2", "mlp", "branch2")

    branches = {"tokens": (None, "branch1"), "mlp": ("residual", "branch2")}  # as in TransformerBlock

    def inside(self, x):
        """Returns {name: tensor} of `parts`, what this block computes on the way from its input `x` to its output.

        "token_mlp" (B, D, token_hidden) and "mlp" (B, N, hidden) are hidden activations, "branch1" and "branch2" what
        is added.
        """
        norm1 = self.norm1(x)
        turned = ops.swapaxes(norm1, 1, 2)
        mixed = ops.swapaxes(self.tokens(turned), 1, 2)
        branch1 = self._branch(mixed, self.scale1, self.drop_path1, False)
        residual = x + branch1
        norm2 = self.norm2(residual)
        widened = self.mlp.widened(norm2)
        branch2 = self._branch(self.mlp.fc2(widened), self.scale2, self.drop_path2, False)
        found = {
            "norm1": norm1, "branch1": branch1, "residual": residual, "norm2": norm2, "mlp": widened,
            "branch2": branch2,
        }  # fmt: skip
        return found if self.token_hidden is None else {**found, "token_mlp": self.tokens.widened(turned)}

    def compute_output_shape(self, shape):
        return shape

    @staticmethod
    def _branch(x, scale, drop_path, training):
        return drop_path(x if scale is None else scale(x), training=training)


def _layer_norm(epsilon):
    return lambda **options: keras.layers.LayerNormalization(epsilon=epsilon, **options)
