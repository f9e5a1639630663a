"""Maps of any size made to be divided evenly."""

from collections.abc import Sequence
from typing import Any

from keras import ops


def pad_to_multiple(x: Any, multiple: Sequence[Any]) -> Any:
    """Pads maps (B, h, w, D) with zeros at the bottom and right until `multiple` = (height, width) divides their sides.

    The sides and `multiple` may be tensors that only the running graph knows.
    """
    missing = [-side % step for side, step in zip(ops.shape(x)[1:3], multiple, strict=True)]
    if all(isinstance(count, int) and count == 0 for count in missing):
        return x
    return ops.pad(x, ((0, 0), (0, missing[0]), (0, missing[1]), (0, 0)))
