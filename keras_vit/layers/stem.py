"""Convolutions in the place of a large patch."""

from collections.abc import Sequence

import keras

from keras_vit.layers.convolution import convolution, normalisation


def convolutional_stem(images: keras.KerasTensor, widths: Sequence[int]) -> keras.KerasTensor:
    """Returns the map of 3x3 convolutions of stride 2, one of each of `widths`, each normalised, with a ReLU.

    Xiao et al. 2021, "Early Convolutions Help Transformers See Better" (arXiv 2106.14881): images (B, H, W, C)
    to (B, H / 2**n, W / 2**n, widths[-1]). Patches of 1 cell of it make the tokens of a ViT.
    """
    x = images
    for i, width in enumerate(widths):
        for layer in convolution(width, 3, 2, f"conv_{i}"):
            x = layer(x)
        x = normalisation(f"conv_{i}_norm")(x)
        x = keras.layers.ReLU(name=f"conv_{i}_relu")(x)
    return x
