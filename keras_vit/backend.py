"""Imports what Keras stands on, and answers its absence with the line to type."""

import importlib
from typing import Any

_TENSORFLOW = "pip install 'keras-vit-zoo[tf-cpu]', or 'keras-vit-zoo[gpu]' where there is an NVIDIA GPU"
_TRAIN = "pip install 'keras-vit-zoo[train]'"
_CURES = {
    "tensorflow": _TENSORFLOW,
    "jax": "pip install 'keras-vit-zoo[jax]', or unset KERAS_BACKEND",
    "torch": "pip install torch, or unset KERAS_BACKEND",
    **dict.fromkeys(("tensorflow_datasets", "keras_tuner", "sklearn", "tensorboard", "matplotlib", "joblib"), _TRAIN),
}


def load(*names: str) -> Any:
    """Imports the modules called `names` and returns the last; ImportError says what to install."""
    for name in names:
        try:
            module = importlib.import_module(name)
        except ModuleNotFoundError as error:
            missing = (error.name or "").partition(".")[0]
            if missing not in _CURES:
                raise
            raise ImportError(f"{missing} is not installed; type: {_CURES[missing]}", name=missing) from error
    return module
