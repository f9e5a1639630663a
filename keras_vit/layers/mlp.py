"""The multi-layer perceptron of a transformer block."""

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from keras_vit.layers.dense import Dense
from keras_vit.layers.intermediates import Tappable


@keras.saving.register_keras_serializable("keras_vit")
class Mlp(Tappable):
    """Widens to `mlp_dim`, activates, and comes back: (..., D) to (..., D).

    `activation` is a Keras activation ("gelu" is the exact one) or "swiglu": the first of two widened
    halves, passed through SiLU, gates the second (Shazeer 2020, arXiv 2002.05202).
    """

    def __init__(
        self, mlp_dim: int, activation: str = "gelu", dropout: float = 0.0, use_bias: bool = True, **kwargs: Any
    ):
        super().__init__(**kwargs)
        self.mlp_dim = mlp_dim
        self.activation = activation
        self.dropout = dropout
        self.use_bias = use_bias

    def build(self, shape: tuple) -> None:
        options = {"use_bias": self.use_bias, "dtype": self.dtype_policy}
        self.gated = self.activation == "swiglu"
        width, activation = (2 * self.mlp_dim, None) if self.gated else (self.mlp_dim, self.activation)
        self.fc1 = Dense(width, activation=activation, name="fc1", **options)
        self.fc1.build(shape)
        self.fc2 = Dense(shape[-1], name="fc2", **options)
        self.fc2.build((*shape[:-1], self.mlp_dim))
        self.drop = keras.layers.Dropout(self.dropout, name="drop", dtype=self.dtype_policy)

    intermediates = ("activations",)

    def call(self, x: Any, training: bool | None = None, intermediates: Sequence[str] | None = None) -> Any:
        """Computes the output; `intermediates` as in Tappable, where "activations" are (..., mlp_dim)."""
        if self.gated:
            gate, values = ops.split(self.fc1(x), 2, axis=-1)
            activations = ops.silu(gate) * values
        else:
            activations = self.fc1(x)
        x = self.fc2(self.drop(activations, training=training))
        return self.select({"activations": activations, "out": self.drop(x, training=training)}, intermediates)

    def compute_output_shape(self, shape: tuple) -> tuple:
        return shape
