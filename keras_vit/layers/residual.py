"""What stands on a residual branch."""

from typing import Any

import keras
from keras import ops

from keras_vit.layers.recorded import Recorded


@keras.saving.register_keras_serializable("keras_vit")
class LayerScale(keras.layers.Layer):
    """Multiplies each channel by a learned number that begins at `initial`: (..., D) to (..., D).

    Touvron et al. 2021 (arXiv 2103.17239).
    """

    def __init__(self, initial: float = 1e-5, **kwargs: Any):
        super().__init__(**kwargs)
        self.initial = initial

    def build(self, shape: tuple) -> None:
        self.gamma = self.add_weight((shape[-1],), keras.initializers.Constant(self.initial), name="gamma")

    def call(self, x: Any) -> Any:
        return x * ops.convert_to_tensor(self.gamma)


@keras.saving.register_keras_serializable("keras_vit")
class DropPath(Recorded):
    """In training, sets a residual branch to zero for a share `rate` of the samples, and divides the rest by 1 - rate.

    Stochastic depth, Huang et al. 2016 (arXiv 1603.09382). (B, ...) to (B, ...).
    """

    def __init__(self, rate: float, seed: int | None = None, **kwargs: Any):
        super().__init__(**kwargs)
        if not 0 <= rate < 1:
            raise ValueError(f"rate is at least 0 and below 1, not {rate!r}")
        self.rate = rate
        self.seed = seed

    def build(self, shape: tuple) -> None:
        one_per_sample = (None,) + (1,) * (len(shape) - 1)
        self.dropout = keras.layers.Dropout(
            self.rate, noise_shape=one_per_sample, seed=self.seed, name="dropout", dtype=self.dtype_policy
        )
        self.dropout.build(shape)

    def call(self, x: Any, training: bool | None = None) -> Any:
        return self.dropout(x, training=training)
