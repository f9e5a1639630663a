"""Maps of cells as maps of pixels."""

from collections.abc import Sequence

import numpy as np


def resize_maps(maps: np.ndarray, size: Sequence[int], interpolation: str = "bilinear") -> np.ndarray:
    """Resizes maps (..., h, w) to `size` (H, W): "bilinear" between the centres of cells, or "nearest".

    >>> keras_vit.analysis.resize_maps(np.array([[[0.0, 1.0]]]), (1, 4))
    array([[[0.  , 0.25, 0.75, 1.  ]]])
    """
    if interpolation not in ("bilinear", "nearest"):
        raise ValueError(f"interpolation is 'bilinear' or 'nearest', not {interpolation!r}")
    rows, columns = (_matrix(count, known, interpolation) for count, known in zip(size, maps.shape[-2:], strict=True))
    return rows @ np.asarray(maps) @ columns.T


def _matrix(count, known, interpolation):
    """Returns the matrix (count, known) that reads `known` cells at the centres of `count` pixels."""
    places = np.clip((np.arange(count) + 0.5) * known / count - 0.5, 0, known - 1)
    if interpolation == "nearest":
        places = np.minimum((np.arange(count) + 0.5) * known // count, known - 1)
    return np.maximum(1 - np.abs(places[:, None] - np.arange(known)), 0)
