"""Functions backbone -> keras.Model; a head reads feature maps and never asks which family made them."""

from keras_vit.heads.classify import classify
from keras_vit.heads.distilled import classify_distilled

HEADS = ("head", "head_dist")  # layers that hold the weights of a head

__all__ = ["HEADS", "classify", "classify_distilled"]
