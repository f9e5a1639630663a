"""Functions backbone -> keras.Model; a head reads feature maps, says which, and never asks which family made them."""

from keras_vit.heads.classify import classify
from keras_vit.heads.distilled import classify_distilled
from keras_vit.heads.linear import HEADS, LinearHead, Reading, reading

__all__ = ["HEADS", "LinearHead", "Reading", "classify", "classify_distilled", "reading"]
