"""All drawing, in one style: functions that take arrays and write a PNG, or a table as CSV, whole or not at all.

Nothing here needs Keras; Matplotlib is loaded by the first picture.
"""

from keras_vit.pictures.attention import attention_picture
from keras_vit.pictures.cells import field_picture, localisation_picture
from keras_vit.pictures.charts import Panel, bars_picture, dots_picture, gallery_picture, lines_picture
from keras_vit.pictures.confusion import confusion_picture
from keras_vit.pictures.curves import curves_picture
from keras_vit.pictures.measures import distance_picture, probe_picture, reliability_picture, skip_picture
from keras_vit.pictures.object_mass import mask_picture, mass_picture
from keras_vit.pictures.parallel_coordinates import parallel_picture
from keras_vit.pictures.similarity import similarity_lines, similarity_picture
from keras_vit.pictures.tables import (
    save_distances,
    save_fields,
    save_localisation,
    save_probes,
    save_similarity,
    save_skip_ratios,
)

__all__ = [
    "Panel",
    "attention_picture",
    "bars_picture",
    "confusion_picture",
    "curves_picture",
    "distance_picture",
    "dots_picture",
    "field_picture",
    "gallery_picture",
    "lines_picture",
    "localisation_picture",
    "mask_picture",
    "mass_picture",
    "parallel_picture",
    "probe_picture",
    "reliability_picture",
    "save_distances",
    "save_fields",
    "save_localisation",
    "save_probes",
    "save_similarity",
    "save_skip_ratios",
    "similarity_lines",
    "similarity_picture",
    "skip_picture",
]
