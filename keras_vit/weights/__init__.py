"""Checkpoints into models: ours, safetensors and Google's .npz; strict, with a report."""

from keras_vit import backend

backend.load("keras")

from keras_vit.published import Published, published  # noqa: E402
from keras_vit.weights.fetching import fetch  # noqa: E402
from keras_vit.weights.files import open_checkpoint  # noqa: E402
from keras_vit.weights.loading import load_weights, start_from  # noqa: E402
from keras_vit.weights.report import Report  # noqa: E402
from keras_vit.weights.sources import (  # noqa: E402
    FLAX,
    TENSORFLOW,
    TORCH,
    Rule,
    Source,
    grid_rows,
    joined,
    prefix_rows,
    reshaped,
    rows_after,
    stacked,
)
from keras_vit.weights.tensors import CheckpointError  # noqa: E402

__all__ = [
    "FLAX",
    "TENSORFLOW",
    "TORCH",
    "CheckpointError",
    "Published",
    "Report",
    "Rule",
    "Source",
    "fetch",
    "grid_rows",
    "joined",
    "load_weights",
    "open_checkpoint",
    "prefix_rows",
    "published",
    "reshaped",
    "rows_after",
    "stacked",
    "start_from",
]
