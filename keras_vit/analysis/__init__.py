"""What a model looks at, and how alike two of them see; built on taps alone.

Where a function takes a model, its name with its weights will do, such as "vit-b16:augreg_in21k_ft_in1k" or
"vit-b16:PATH": it is built for the size of the images that are given.
"""

from keras_vit import backend

backend.load("keras")

from keras_vit.analysis.attention import METHODS, attention, methods  # noqa: E402
from keras_vit.analysis.calibration import Calibration, calibration  # noqa: E402
from keras_vit.analysis.cka import MinibatchCKA, cka  # noqa: E402
from keras_vit.analysis.distance import (  # noqa: E402
    attention_distance,
    uniform_attention_distance,
)
from keras_vit.analysis.localise import Localisation, localisation  # noqa: E402
from keras_vit.analysis.object_mass import object_area, object_mass  # noqa: E402
from keras_vit.analysis.probe import probe  # noqa: E402
from keras_vit.analysis.receptive_field import (  # noqa: E402
    effective_receptive_field,
    field_share,
)
from keras_vit.analysis.resizing import resize_maps  # noqa: E402
from keras_vit.analysis.similarity import Similarity  # noqa: E402
from keras_vit.analysis.skip import SkipRatio, skip_ratio  # noqa: E402
from keras_vit.analysis.windows import lay_windows  # noqa: E402

__all__ = [
    "METHODS",
    "Calibration",
    "Localisation",
    "MinibatchCKA",
    "Similarity",
    "SkipRatio",
    "attention",
    "attention_distance",
    "calibration",
    "cka",
    "effective_receptive_field",
    "field_share",
    "lay_windows",
    "localisation",
    "methods",
    "object_area",
    "object_mass",
    "probe",
    "resize_maps",
    "skip_ratio",
    "uniform_attention_distance",
]
