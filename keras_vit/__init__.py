"""Vision Transformers for Keras: a plug-in zoo to understand, train, tune and serve.

`import keras_vit` loads neither Keras nor a backend; the first model built does.
"""

import importlib

from keras_vit.registry import ZooError, build, list_families, list_models, register

__version__ = "0.1.0"
__all__ = [
    "ZooError",
    "build",
    "export",
    "list_families",
    "list_models",
    "load_weights",
    "preprocessing",
    "register",
]

_LOADED_ON_USE = {
    "load_weights": "keras_vit.weights",
    "preprocessing": "keras_vit.data",
    "export": "keras_vit.serving",
}


def __getattr__(name):
    if name not in _LOADED_ON_USE:
        raise AttributeError(f"module 'keras_vit' has no attribute {name!r}")
    return getattr(importlib.import_module(_LOADED_ON_USE[name]), name)


def __dir__():
    return sorted(set(globals()) | set(__all__))
