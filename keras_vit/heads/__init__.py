"""Functions backbone -> keras.Model; a head reads feature maps and never asks which family made them."""

from keras_vit.heads.classify import classify

__all__ = ["classify"]
