"""Layer normalisation that TensorFlow computes in one pass on CPUs."""

from typing import Any

import keras
from keras import ops

from keras_vit import backend


@keras.saving.register_keras_serializable("keras_vit")
class LayerNormalization(keras.layers.LayerNormalization):
    """Brings the last axis to mean 0 and variance 1, then scales and shifts it: (..., D) to (..., D).

    Ba et al. 2016 (arXiv 1607.06450). The arguments are those of keras.layers.LayerNormalization, which TensorFlow
    computes in ten passes over the tokens. Outside training a token is normalised here as a channel of a batch
    normalisation, which oneDNN takes together with scale and shift for the layer normalisation that it is. The moments
    are float32 in bfloat16 too.
    """

    def call(self, inputs: Any, training: bool | None = None) -> Any:
        if training or not self._fits_one_pass(inputs):
            return super().call(inputs)
        tf = backend.load("tensorflow")
        rows, width = tf.size(inputs) // inputs.shape[-1], inputs.shape[-1]
        nothing = tf.zeros((0,), "float32")
        normal = tf.raw_ops.FusedBatchNormV3(
            x=tf.reshape(inputs, tf.stack([1, rows, width, 1])),
            scale=tf.fill([rows], 1.0),
            offset=tf.fill([rows], 0.0),
            mean=nothing,
            variance=nothing,
            epsilon=self.epsilon,
            data_format="NCHW",
            is_training=True,
        )
        normal = tf.reshape(normal.y, tf.shape(inputs))
        return normal * ops.cast(self.gamma, normal.dtype) + ops.cast(self.beta, normal.dtype)

    def _fits_one_pass(self, inputs):
        """Returns whether this is the plain case, on a CPU: a GPU has no such kernel."""
        dtype, last = keras.backend.standardize_dtype(inputs.dtype), ([-1], [len(inputs.shape) - 1])
        plain = self.gamma is not None and self.beta is not None and list(self.axis) in last
        if keras.backend.backend() != "tensorflow" or not plain or dtype != self.compute_dtype:
            return False
        return dtype in ("float32", "bfloat16") and not backend.load("tensorflow").config.list_physical_devices("GPU")
