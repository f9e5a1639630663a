"""The multi-layer perceptron of a transformer block."""

import keras
from keras import ops


@keras.saving.register_keras_serializable("keras_vit")
class Mlp(keras.layers.Layer):
    """Widens to `hidden`, activates, and comes back: (..., D) to (..., D).

    `activation` is a Keras activation ("gelu" is the exact one) or "swiglu": the first of two widened
    halves, passed through SiLU, gates the second (Shazeer 2020, arXiv 2002.05202).
    """

    def __init__(self, hidden, activation="gelu", dropout=0.0, use_bias=True, **kwargs):
        super().__init__(**kwargs)
        self.hidden = hidden
        self.activation = activation
        self.dropout = dropout
        self.use_bias = use_bias

    def build(self, shape):
        options = {"use_bias": self.use_bias, "dtype": self.dtype_policy}
        self.gated = self.activation == "swiglu"
        self.activate = keras.activations.get("silu" if self.gated else self.activation)
        self.fc1 = keras.layers.Dense(self.hidden * (2 if self.gated else 1), name="fc1", **options)
        self.fc1.build(shape)
        self.fc2 = keras.layers.Dense(shape[-1], name="fc2", **options)
        self.fc2.build((*shape[:-1], self.hidden))
        self.drop = keras.layers.Dropout(self.dropout, name="drop", dtype=self.dtype_policy)

    def call(self, x, training=None):
        x = self.drop(self.widened(x), training=training)
        return self.drop(self.fc2(x), training=training)

    def widened(self, x):
        """Returns the hidden numbers, activated: (..., D) to (..., hidden)."""
        x = self.fc1(x)
        if self.gated:
            gate, x = ops.split(x, 2, axis=-1)
            return self.activate(gate) * x
        return self.activate(x)

    def compute_output_shape(self, shape):
        return shape
