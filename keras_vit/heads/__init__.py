"""Functions backbone -> keras.Model; a head reads feature maps and never asks which family made them."""

from keras_vit.heads.classify import classify
from keras_vit.heads.distilled import classify_distilled

__all__ = ["classify", "classify_distilled"]
