"""Between maps (B, h, w, D) and sequences of tokens (B, N, D)."""

from typing import Any

import keras
from keras import ops


@keras.saving.register_keras_serializable("keras_vit")
class ClassToken(keras.layers.Layer):
    """Puts `count` learned tokens before a sequence: (B, N, D) to (B, count + N, D).

    A class token, a distillation token and registers are all this. With `position` each has a learned
    position of its own, which a checkpoint keeps as the first rows of its position table.
    """

    def __init__(self, count: int = 1, position: bool = False, **kwargs: Any):
        super().__init__(**kwargs)
        self.count = count
        self.position = position

    def build(self, shape: tuple) -> None:
        size = (self.count, shape[-1])
        self.token = self.add_weight(size, "zeros", name="token")
        normal = keras.initializers.TruncatedNormal(stddev=0.02)
        self.position_table = self.add_weight(size, normal, name="position") if self.position else None

    def call(self, tokens: Any) -> Any:
        prefix = ops.convert_to_tensor(self.token)
        if self.position:
            prefix = prefix + ops.convert_to_tensor(self.position_table)
        prefix = ops.broadcast_to(prefix[None], (ops.shape(tokens)[0], *self.token.shape))
        return ops.concatenate([ops.cast(prefix, tokens.dtype), tokens], axis=1)


@keras.saving.register_keras_serializable("keras_vit")
class ToTokens(keras.layers.Layer):
    """Lays the cells of a map in a row, row by row: (B, h, w, D) to (B, h * w, D)."""

    def call(self, cells: Any) -> Any:
        height, width = ops.shape(cells)[1:3]
        return ops.reshape(cells, (-1, height * width, cells.shape[-1]))

    def compute_output_shape(self, shape: tuple) -> tuple:
        open_size = shape[1] is None or shape[2] is None
        return (shape[0], None if open_size else shape[1] * shape[2], shape[3])


@keras.saving.register_keras_serializable("keras_vit")
class ToMap(keras.layers.Layer):
    """Lays tokens out as the map that they came from, without `prefix` tokens before them.

    Called on (B, prefix + h * w, D) and any map (B, h, w, ...); returns (B, h, w, D).
    """

    def __init__(self, prefix: int = 0, **kwargs: Any):
        super().__init__(**kwargs)
        self.prefix = prefix

    def call(self, tokens: Any, like: Any) -> Any:
        height, width = ops.shape(like)[1:3]
        return ops.reshape(tokens[:, self.prefix :], (-1, height, width, tokens.shape[-1]))

    def compute_output_shape(self, tokens_shape: tuple, like_shape: tuple) -> tuple:
        return (*like_shape[:3], tokens_shape[-1])
