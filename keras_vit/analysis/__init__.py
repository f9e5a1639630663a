"""What a model looks at; built on taps alone."""

from keras_vit import backend

backend.load("keras")

from keras_vit.analysis.attention import METHODS, attention  # noqa: E402

__all__ = ["METHODS", "attention"]
