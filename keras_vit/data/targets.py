"""What a source knows of each image beside its pixels: its class, a mask, a depth map, boxes."""

import dataclasses
from typing import Any, Literal

import tensorflow as tf

from keras_vit.data import image_files

Kind = Literal["class", "mask", "depth", "boxes"]


@dataclasses.dataclass(frozen=True)
class Target:
    """The kind of one target, and what its numbers mean.

    An example holds each target as a scalar, so that sources shuffle, subset and skip any of them alike; `decode` makes
    a tensor of it:

    - "class": int64 (), the place of its class in `names`
    - "mask": an encoded grey image, or a PNG with a palette, to uint8 (h, w, 1) of grey values, or of places in the
      palette; where it has classes, `names` are theirs, from 0 on
    - "depth": packed by `pack`, to float32 (h, w, 1) in metres; 0 is unknown
    - "boxes": packed by `pack`, to float32 (n, 5): top, left, bottom and right as shares of the image's sides, and the
      place of the class in `names`; a batch has `max_boxes` rows an image, those that are none filled with -1
    """

    kind: Kind
    names: tuple[str, ...] = ()
    max_boxes: int = 100

    def __post_init__(self):
        if self.kind not in ("class", "mask", "depth", "boxes"):
            raise ValueError(f"no target of kind {self.kind!r}; it is 'class', 'mask', 'depth' or 'boxes'")

    def decode(self, value: tf.Tensor) -> tf.Tensor:
        """Returns the tensor that the scalar `value` of an example stands for."""
        if self.kind == "class":
            return value
        if self.kind == "mask":
            return image_files.decode_mask(value)
        packed = tf.io.parse_tensor(value, "float32")
        return tf.ensure_shape(packed, (None, 5) if self.kind == "boxes" else (None, None, 1))

    def padded(self, value: tf.Tensor) -> tf.Tensor:
        """Returns `value` in the shape that it has in every example: of too many boxes the largest are kept."""
        if self.kind != "boxes":
            return value
        top, left, bottom, right, _ = tf.unstack(value, axis=1)
        largest = tf.argsort((bottom - top) * (right - left), direction="DESCENDING", stable=True)[: self.max_boxes]
        value = tf.gather(value, tf.sort(largest))
        value = tf.pad(value, [[0, self.max_boxes - tf.shape(value)[0]], [0, 0]], constant_values=-1.0)
        return tf.ensure_shape(value, (self.max_boxes, 5))


def pack(values: Any) -> tf.Tensor:
    """Returns a depth map (h, w, 1) in metres, or boxes (n, 5), as the string that an example holds."""
    return tf.io.serialize_tensor(tf.cast(values, "float32"))
