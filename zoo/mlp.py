"""The plain multi-layer perceptron, which sees an image as a row of numbers.

Rumelhart, Hinton and Williams 1986, "Learning representations by back-propagating errors".
"""

from dataclasses import dataclass
from typing import ClassVar

import keras

from keras_vit import heads, layers, register
from keras_vit.spaces import Range, Times


@dataclass(frozen=True, kw_only=True)
class Perceptron:
    """Fully connected layers over all pixels."""

    any_size: ClassVar[bool] = False  # the first layer has a weight for every pixel

    widths: tuple[int, ...] = (512, 512)
    activation: str = "relu"
    dropout: float = 0.0  # after each layer
    image_size: int | tuple[int, int] = 28
    channels: int = 1
    classes: int = 10  # 0 for the backbone alone


VARIANTS = {"": Perceptron()}
SMALL = Perceptron(widths=(11, 7), image_size=8)
SPACE = {"widths": Times((0.5, 1, 2)), "dropout": Range(0.0, 0.5)}


@register(VARIANTS, small=SMALL, space=SPACE)
def mlp(config: Perceptron) -> keras.Model:
    """Returns the functional model of `config`, whose map is one cell."""
    if config.image_size is None:
        raise ValueError("mlp has a weight for every pixel and takes no image_size=None; give the size of the images")
    images, x = layers.image_input(config.image_size, config.channels)
    x = keras.layers.Flatten(name="flatten")(x)
    for i, width in enumerate(config.widths):
        x = keras.layers.Dense(width, activation=config.activation, name=f"block_{i}")(x)
        x = keras.layers.Dropout(config.dropout, name=f"dropout_{i}")(x)
    x = keras.layers.Reshape((1, 1, x.shape[-1]), name="map")(x)
    return heads.classify(keras.Model(images, {"map": x}, name="mlp"), config.classes)
