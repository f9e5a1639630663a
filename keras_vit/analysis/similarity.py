"""How alike the layers of two networks are: what `cka` returns."""

import dataclasses

import numpy as np


@dataclasses.dataclass(frozen=True)
class Similarity:
    """CKA of each layer `rows` of one model with each layer `columns` of another, (rows, columns)."""

    rows: tuple[str, ...]
    columns: tuple[str, ...]
    values: np.ndarray
    models: tuple[str, str]
    deviations: np.ndarray | None = None  # standard deviation over `repeats`, where there were several
    repeats: int = 1
