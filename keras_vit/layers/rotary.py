"""Positions of the cells of a map as rotations of queries and keys: fixed or learned, for any grid."""

import math
from typing import Any

import keras
from keras import ops


@keras.saving.register_keras_serializable("keras_vit")
class RotaryPosition(keras.layers.Layer):
    """Gives the (sin, cos) by which the attention of each of `blocks` blocks turns its queries and keys.

    Heo et al. 2024 (arXiv 2403.13298). Called on a map (B, h, w, ...), whose size alone counts; returns a
    list of pairs. Without `heads` the frequencies are fixed: the column turns the first half of
    `head_width` numbers, the row the second, and a pair is twice (prefix + h * w, head_width). With `heads` ("mixed")
    column and row turn every number at frequencies learned for each block and head, and a pair is
    twice (heads, prefix + h * w, head_width). The `prefix` tokens before the map aren't turned.
    """

    def __init__(
        self,
        head_width: int,
        blocks: int,
        heads: int | None = None,
        temperature: float = 100.0,
        prefix: int = 0,
        **kwargs: Any,
    ):
        super().__init__(**kwargs)
        if head_width % 4:
            raise ValueError(f"a rotary position needs heads of a width that 4 divides, not {head_width}")
        self.head_width = head_width
        self.blocks = blocks
        self.heads = heads
        self.temperature = temperature
        self.prefix = prefix

    def build(self, shape: tuple) -> None:
        if self.heads is not None:  # autocast=False: angles of dozens of radians need all their digits
            self.frequencies = self.add_weight(
                (2, self.blocks, self.heads, self.head_width // 2),
                self._random_directions,
                autocast=False,
                name="frequencies",
            )

    def call(self, cells: Any) -> list[tuple[Any, Any]]:
        height, width = ops.shape(cells)[1:3]
        column = ops.cast(ops.arange(width), "float32")[None, :, None]
        row = ops.cast(ops.arange(height), "float32")[:, None, None]
        frequencies = self._fixed() if self.heads is None else ops.convert_to_tensor(self.frequencies)
        along, down = frequencies[0], frequencies[1]
        angles = column * along[..., None, None, :] + row * down[..., None, None, :]
        angles = ops.reshape(angles, (*along.shape[:-1], -1, self.head_width // 2))
        angles = ops.pad(angles, [(0, 0)] * (len(along.shape) - 1) + [(self.prefix, 0), (0, 0)])
        angles = ops.repeat(angles, 2, axis=-1)
        sin, cos = ops.sin(angles), ops.cos(angles)
        if self.heads is None:
            return [(sin, cos)] * self.blocks
        return [(sin[i], cos[i]) for i in range(self.blocks)]

    def _magnitudes(self):
        count = self.head_width // 4
        return float(self.temperature) ** (-ops.arange(count, dtype="float32") / count)

    def _fixed(self):
        size = self._magnitudes()
        none = ops.zeros_like(size)
        return ops.concatenate([size, none]), ops.concatenate([none, size])

    def _random_directions(self, shape, dtype=None):
        """Returns frequencies whose directions are orthogonal within a head, and at random among heads."""
        turn = keras.initializers.RandomUniform(0.0, 2 * math.pi)((self.blocks, self.heads, 1), "float32")
        size = self._magnitudes()
        along = ops.concatenate([size * ops.cos(turn), -size * ops.sin(turn)], axis=-1)
        down = ops.concatenate([size * ops.sin(turn), size * ops.cos(turn)], axis=-1)
        return ops.cast(ops.stack([along, down]), dtype or "float32")
