"""Maps of cells as maps of pixels."""

from collections.abc import Sequence

import numpy as np

from keras_vit.analysis.numbers import whole_number


def resize_maps(maps: np.ndarray, size: Sequence[int], interpolation: str = "bilinear") -> np.ndarray:
    """Resizes maps (..., h, w) to `size` (H, W): "bilinear" between the centres of cells, or "nearest".

    >>> keras_vit.analysis.resize_maps(np.array([[[0.0, 1.0]]]), (1, 4))
    array([[[0.  , 0.25, 0.75, 1.  ]]])
    """
    if interpolation not in ("bilinear", "nearest"):
        raise ValueError(f"interpolation is 'bilinear' or 'nearest', not {interpolation!r}")
    maps = np.asarray(maps)
    if maps.ndim < 2 or not maps.size or maps.dtype.kind not in "buif":
        raise ValueError(f"maps are numbers (..., h, w), not {maps.dtype} {maps.shape}")
    if not isinstance(size, (tuple, list)) or len(size) != 2:
        raise ValueError(f"size is a pair (H, W) of pixels, not {size!r}")
    size = [whole_number("each side of size", side, what="a number of pixels") for side in size]
    rows, columns = (_matrix(count, known, interpolation) for count, known in zip(size, maps.shape[-2:], strict=True))
    return rows @ maps @ columns.T


def _matrix(count, known, interpolation):
    """Returns the matrix (count, known) that reads `known` cells at the centres of `count` pixels."""
    places = np.clip((np.arange(count) + 0.5) * known / count - 0.5, 0, known - 1)
    if interpolation == "nearest":
        places = np.minimum((np.arange(count) + 0.5) * known // count, known - 1)
    return np.maximum(1 - np.abs(places[:, None] - np.arange(known)), 0)
