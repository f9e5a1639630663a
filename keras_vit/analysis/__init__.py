"""What a model looks at, and how alike two of them see; built on taps alone.

Where a function takes a model, its name with its weights will do, such as "vit-b16:augreg_in21k_ft_in1k" or
"vit-b16:PATH": it is built for the size of the images that are given.
"""

from keras_vit import backend

backend.load("keras")

from keras_vit.analysis.attention import METHODS, attention, methods  # noqa: E402
from keras_vit.analysis.calibration import Calibration, calibration, reliability_picture  # noqa: E402
from keras_vit.analysis.cka import MinibatchCKA, compare  # noqa: E402
from keras_vit.analysis.distance import (  # noqa: E402
    attention_distance,
    distance_picture,
    save_distances,
    uniform_attention_distance,
)
from keras_vit.analysis.localise import Localisation, localisation, localisation_picture  # noqa: E402
from keras_vit.analysis.object_mass import object_area, object_mass  # noqa: E402
from keras_vit.analysis.probe import probe, probe_picture, save_probes  # noqa: E402
from keras_vit.analysis.receptive_field import (  # noqa: E402
    effective_receptive_field,
    field_picture,
    field_share,
    save_fields,
)
from keras_vit.analysis.resizing import resize_maps  # noqa: E402
from keras_vit.analysis.similarity import Similarity, similarity_lines, similarity_picture  # noqa: E402
from keras_vit.analysis.skip import SkipRatio, save_skip_ratios, skip_picture, skip_ratio  # noqa: E402
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
    "compare",
    "distance_picture",
    "effective_receptive_field",
    "field_picture",
    "field_share",
    "lay_windows",
    "localisation",
    "localisation_picture",
    "methods",
    "object_area",
    "object_mass",
    "probe",
    "probe_picture",
    "reliability_picture",
    "resize_maps",
    "save_distances",
    "save_fields",
    "save_probes",
    "save_skip_ratios",
    "similarity_lines",
    "similarity_picture",
    "skip_picture",
    "skip_ratio",
    "uniform_attention_distance",
]
