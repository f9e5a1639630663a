"""Where each pixel of a changed image comes from, so that masks, depth maps and boxes follow it."""

from __future__ import annotations

import dataclasses
from typing import NamedTuple

import tensorflow as tf

from keras_vit.data.preprocessing import Preprocessing

Matrix = tuple  # (a, b, c, d, e, f): (x, y) shows what lay at (ax + by + c, dx + ey + f), in pixels from the corner
IDENTITY = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0)


class Step(NamedTuple):
    """One change: of a frame of the size `before` (h, w) to one of the size `after`."""

    matrix: Matrix
    before: tf.Tensor
    after: tf.Tensor
    continued: bool  # whether the frame goes on beyond its edge as its last pixel, else there is nothing


@dataclasses.dataclass(frozen=True)
class Geometry:
    """The changes that an image (h, w, C) went through, one after the other; `size` is (h, w) after the last.

    What an augmentation draws for an image lies here, and `move` does the same to whatever belongs to it.
    """

    size: tuple
    steps: tuple[Step, ...] = ()

    @classmethod
    def of(cls, image: tf.Tensor) -> Geometry:
        """Returns that of an `image` (h, w, C) as it was read."""
        return cls(tuple(tf.unstack(tf.shape(image)[:2])))

    def then(self, matrix: Matrix, size: tuple | None = None, *, continued: bool = False) -> Geometry:
        """Returns it with one more change, to an image of `size`, by default as large as before."""
        size = self.size if size is None else size
        matrix = tuple(tf.cast(each, "float32") for each in matrix)
        step = Step(matrix, tf.cast(self.size, "float32"), tf.cast(size, "float32"), continued)
        return Geometry(size, (*self.steps, step))

    def move(self, value: tf.Tensor, kind: str) -> tf.Tensor:
        """Returns a target of `kind`, such as Target.decode gives it, as it belongs to the changed image.

        A mask and a depth map take the nearest pixel, since classes and edges in depth have no mean, and are 0,
        background or unknown, where the image shows nothing of itself. Depth stays in metres: a crop that is
        enlarged is no nearer to the camera; a task that thinks otherwise divides by the zoom. Boxes are those that
        bound what they bounded, cut to the image; those of which less than a pixel's width or height is left go.
        """
        if kind == "class":
            return value
        return self._boxes(value) if kind == "boxes" else self._map(value)

    def _map(self, values):
        if not self.steps:
            return values
        height, width = self.size
        x, y = tf.range(width, dtype="float32")[None, :] + 0.5, tf.range(height, dtype="float32")[:, None] + 0.5
        x, y = tf.broadcast_to(x, (height, width)), tf.broadcast_to(y, (height, width))
        inside = tf.ones((height, width), "bool")
        for step in reversed(self.steps):
            x, y = _at(step.matrix, x, y)
            rows, columns = tf.unstack(step.before)
            if step.continued:
                x, y = tf.clip_by_value(x, 0.5, columns - 0.5), tf.clip_by_value(y, 0.5, rows - 0.5)
            inside &= (x >= 0) & (x < columns) & (y >= 0) & (y < rows)
        # a depth map may be coarser than its image
        scale = tf.cast(tf.shape(values)[:2], "float32") / self.steps[0].before
        places = tf.stack([tf.floor(y * scale[0]), tf.floor(x * scale[1])], axis=-1)
        places = tf.clip_by_value(tf.cast(places, "int32"), 0, tf.shape(values)[:2] - 1)
        moved = tf.where(inside[..., None], tf.gather_nd(values, places), tf.zeros((), values.dtype))
        return tf.ensure_shape(moved, (height, width, values.shape[-1]))

    def _boxes(self, boxes):
        if not self.steps:
            return boxes
        sides, kinds = boxes[:, :4] * tf.tile(self.steps[0].before, [2]), boxes[:, 4:]
        kept = tf.ones(tf.shape(boxes)[:1], "bool")
        for step in self.steps:
            top, left, bottom, right = tf.unstack(sides, axis=1)
            height, width = tf.unstack(step.before)
            if step.continued:  # what touches the edge is smeared beyond it
                (top, bottom), (left, right) = _smeared(top, bottom, height), _smeared(left, right, width)
            x, y = tf.stack([left, right, left, right]), tf.stack([top, top, bottom, bottom])
            x, y = _at(_inverse(step.matrix), x, y)
            corners = [tf.reduce_min(y, 0), tf.reduce_min(x, 0), tf.reduce_max(y, 0), tf.reduce_max(x, 0)]
            sides = tf.clip_by_value(tf.stack(corners, axis=1), 0.0, tf.tile(step.after, [2]))
            kept &= tf.reduce_all(sides[:, 2:] - sides[:, :2] >= 1, axis=1)  # what is gone must not come back
        return tf.boolean_mask(tf.concat([sides / tf.tile(self.steps[-1].after, [2]), kinds], axis=1), kept)


def window(image: tf.Tensor, corner: tf.Tensor, extent: tf.Tensor, size: tuple) -> Geometry:
    """Returns that of the rectangle `extent` (h, w) at `corner` (y, x) of an `image` (h, w, C), resized to `size`."""
    y, x = tf.unstack(tf.cast(corner, "float32"))
    down, right = tf.unstack(tf.cast(extent, "float32") / tf.cast(size, "float32"))
    return Geometry.of(image).then((right, 0.0, x, 0.0, down, y), size)


def fitted(image: tf.Tensor, preprocessing: Preprocessing) -> Geometry:
    """Returns what `preprocessing` does to an `image` (h, w, C): it resizes it and cuts out the middle."""
    start, extent = preprocessing.middle(tf.shape(image)[:2])
    resized, corner = preprocessing.fit(extent)
    scale = tf.cast(extent, "float32") / tf.cast(resized, "float32")
    size = tf.cast(preprocessing.image_size, "float32")
    corner = tf.cast(start, "float32") + tf.cast(corner, "float32") * scale
    return window(image, corner, size * scale, preprocessing.image_size)


def _at(matrix, x, y):
    a, b, c, d, e, f = matrix
    return a * x + b * y + c, d * x + e * y + f


def _inverse(matrix):
    a, b, c, d, e, f = matrix
    area = a * e - b * d
    return e / area, -b / area, (b * f - c * e) / area, -d / area, a / area, (c * d - a * f) / area


def _smeared(start, end, side):
    """Returns the stretches from `start` to `end` of a line of `side` pixels, longer at an edge that they touch."""
    return tf.where(start <= 0.5, -side, start), tf.where(end >= side - 0.5, 2 * side, end)
