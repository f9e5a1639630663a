"""How much of a map lies on the object: what "it looks at the object" means as a number."""

from collections.abc import Sequence

import numpy as np


def object_mass(maps: np.ndarray, masks: np.ndarray) -> np.ndarray:
    """Returns the share of the mass of each map that lies on the object, (B,), or (B, heads): from 0 to 1.

    `maps` (B, h, w) or (B, heads, h, w) holds what each cell counts, at least 0 and in any unit, as `attention`
    gives it; `masks` (B, H, W) is True where the object is, on the same extent of the image in pixels. A cell
    belongs to the object by the share of its area that the mask covers, so that an even map gives what
    `object_area` does: the share to compare with. The share of a map without any mass is NaN.
    Raises ValueError for a mask without a pixel, a map below 0 or not finite, and shapes that don't fit.

    >>> mask = np.zeros((1, 8, 8), bool)
    >>> mask[:, :4] = True
    >>> keras_vit.analysis.object_mass([[[3, 3], [1, 1]]], mask)
    array([0.75])
    """
    masks, maps = _checked(masks), np.asarray(maps, "float64")
    if maps.ndim not in (3, 4) or len(maps) != len(masks) or not maps.size:
        raise ValueError(f"maps are ({len(masks)}, h, w) or ({len(masks)}, heads, h, w), not {maps.shape}")
    if not np.isfinite(maps).all():
        raise ValueError("maps hold numbers that are not finite, which are no mass")
    if (maps < 0).any():
        raise ValueError(
            f"maps hold {maps.min():.3g}, and mass is at least 0; clip what counts against, as np.maximum(maps, 0)"
        )
    on = coverage(masks, maps.shape[-2:])
    on = on if maps.ndim == 3 else on[:, None]
    whole = maps.sum(axis=(-2, -1))
    return np.divide((maps * on).sum(axis=(-2, -1)), whole, out=np.full(whole.shape, np.nan), where=whole > 0)


def object_area(masks: np.ndarray) -> np.ndarray:
    """Returns the share of the image that each mask (B, H, W) covers, (B,): the mass of a map that ignores the image.

    Raises ValueError for a mask without a pixel.

    >>> keras_vit.analysis.object_area(np.eye(4, dtype=bool)[None])
    array([0.25])
    """
    return _checked(masks).mean(axis=(1, 2))


def coverage(masks: np.ndarray, grid: Sequence[int]) -> np.ndarray:
    """Returns the share of the area of each of `grid` (h, w) cells that masks (B, H, W) cover, (B, h, w)."""
    masks = np.asarray(masks, "float64")
    rows, columns = (_overlaps(cells, pixels) for cells, pixels in zip(grid, masks.shape[1:], strict=True))
    return rows @ masks @ columns.T


def _overlaps(cells, pixels):
    """Returns the matrix (cells, pixels) of the share of each cell that lies on each pixel."""
    cell, pixel = (np.arange(count + 1) / count for count in (cells, pixels))
    shared = np.minimum(cell[1:, None], pixel[1:]) - np.maximum(cell[:-1, None], pixel[:-1])
    return np.maximum(shared, 0) * cells


def _checked(masks):
    """Returns `masks` as bool (B, H, W)."""
    masks = np.asarray(masks)
    if masks.ndim != 3 or not masks.size:
        raise ValueError(f"masks are (B, H, W), not {masks.shape}")
    if masks.dtype != bool and not np.isin(masks, (0, 1)).all():
        raise ValueError("masks are True or 1 on the object and False or 0 elsewhere; pass for example masks > 127")
    masks = masks.astype(bool)
    empty = np.flatnonzero(~masks.any(axis=(1, 2)))
    if len(empty):
        raise ValueError(f"{len(empty)} of {len(masks)} masks have no pixel of an object, such as number {empty[0]}")
    return masks
