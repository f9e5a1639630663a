"""Random changes of training images, each a pure function of its seed."""

from keras_vit.data.augmentation.mixing import mix
from keras_vit.data.augmentation.names import AUGMENTATIONS, augmentation

__all__ = ["AUGMENTATIONS", "augmentation", "mix"]
