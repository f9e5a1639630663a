"""A tensor of a file: its shape and type before it is read, and its numbers once something needs them."""

from collections.abc import Callable
from dataclasses import dataclass

import ml_dtypes
import numpy as np

SPARE = 2**24  # numbers; a tensor may be this much larger than the weight that it is resized to


class CheckpointError(ValueError):
    """A file that holds no weights, or none that fit the model; the message lists what doesn't."""


@dataclass(frozen=True)
class Tensor:
    """What a file says of a tensor; `read` returns it as an array, and raises whatever its format raises if damaged."""

    shape: tuple[int, ...]
    dtype: str  # NumPy's name of it
    read: Callable[[], np.ndarray]

    @property
    def size(self) -> int:
        return int(np.prod(self.shape, dtype=object))  # a damaged header may claim more than 64 bits hold

    def array(self, name: str, path: str) -> np.ndarray:
        """Returns the array; CheckpointError where the tensor `name` of the file `path` is damaged."""
        try:
            array = self.read()
        except Exception as error:  # of a dozen kinds, by format and by damage
            raise CheckpointError(f"{name} of {path!r} can't be read: {error}") from error
        if array.shape != self.shape:
            raise CheckpointError(f"{name} of {path!r} is {array.shape}, where the file says {self.shape}")
        return array

    def holds(self, dtype: str) -> bool:
        """Tells whether its numbers are of the kind of a weight of `dtype`: real for real, the very integers else."""
        real = _is_real(dtype)
        return _is_real(self.dtype) if real else self.dtype == dtype


def converted(array: np.ndarray, dtype: str) -> np.ndarray:
    """Returns `array` as `dtype`; ValueError for numbers that are not finite, or that `dtype` can't hold."""
    with np.errstate(over="ignore", invalid="ignore"):
        result = array.astype(dtype)
        bad = result.size - int(np.isfinite(result.astype("float32") if _is_real(dtype) else result).sum())
    if bad:
        raise ValueError(f"holds {bad} numbers that are NaN, infinite or too large for {dtype}")
    return result


def _is_real(dtype):
    return dtype in ("float16", "float32", "float64") or (hasattr(ml_dtypes, dtype) and "float" in dtype)
