"""What a model looks at, and how alike two of them see; built on taps alone."""

from keras_vit import backend

backend.load("keras")

from keras_vit.analysis.attention import METHODS, attention, methods  # noqa: E402
from keras_vit.analysis.cka import MinibatchCKA, compare  # noqa: E402
from keras_vit.analysis.object_mass import object_area, object_mass  # noqa: E402
from keras_vit.analysis.resizing import resize_maps  # noqa: E402
from keras_vit.analysis.similarity import Similarity, similarity_picture  # noqa: E402
from keras_vit.analysis.windows import lay_windows  # noqa: E402

__all__ = [
    "METHODS",
    "MinibatchCKA",
    "Similarity",
    "attention",
    "compare",
    "lay_windows",
    "methods",
    "object_area",
    "object_mass",
    "resize_maps",
    "similarity_picture",
]
