"""A fully connected layer whose product, bias and activation TensorFlow computes in one pass."""

from typing import Any

import keras
from keras import ops


@keras.saving.register_keras_serializable("keras_vit")
class Dense(keras.layers.Dense):
    """Multiplies the last axis by a kernel: (..., D) to (..., units). The arguments are those of keras.layers.Dense.

    TensorFlow fuses a product of two matrices with the bias and the activation that follow, one of tokens (B, N, D) it
    does not, and an exact GELU alone takes longer than the product before it in bfloat16. So outside training the
    tokens of all images become the rows of one matrix. In training the gradient needs what fusing leaves out.
    """

    def call(self, inputs: Any, training: bool | None = None) -> Any:
        if training or keras.backend.backend() != "tensorflow" or len(inputs.shape) == 2:
            return super().call(inputs, training=training)
        rows = super().call(ops.reshape(inputs, (-1, inputs.shape[-1])), training=training)
        return ops.reshape(rows, (*ops.shape(inputs)[:-1], self.units))

    def quantize(self, mode: Any = None, type_check: bool = True, config: Any = None) -> None:
        super().quantize(mode=mode, type_check=False, config=config)  # Keras refuses subclasses, for they might differ
