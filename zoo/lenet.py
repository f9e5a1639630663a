"""LeNet-5: LeCun et al. 1998, "Gradient-Based Learning Applied to Document Recognition".

The modern reading: average pooling without weights, every map connected to every map.
"""

from dataclasses import dataclass

import keras

from keras_vit import heads, layers, register


@dataclass(frozen=True, kw_only=True)
class LeNet:
    """A convolutional network of three convolutions and two fully connected layers."""

    activation: str = "tanh"
    image_size: int | tuple[int, int] | None = 32  # None for any
    channels: int = 1
    classes: int = 10  # 0 for the backbone alone


VARIANTS = {"5": LeNet()}
SPACE = {"activation": ("tanh", "relu")}


@register(VARIANTS, space=SPACE)
def lenet(config: LeNet) -> keras.Model:
    """Returns the functional model of `config`, which slides over images larger than 32 px."""
    images, x = layers.image_input(config.image_size, config.channels, least=32)
    features = {}
    for i, width in enumerate((6, 16)):
        name = "embed" if i == 0 else f"conv_{i}"
        x = keras.layers.Conv2D(width, 5, activation=config.activation, name=name)(x)
        x = features[f"stage_{i}"] = keras.layers.AveragePooling2D(2, name=f"stage_{i}")(x)
    x = features["stage_2"] = keras.layers.Conv2D(120, 5, activation=config.activation, name="stage_2")(x)
    x = keras.layers.Dense(84, activation=config.activation, name="fc")(x)
    return heads.classify(keras.Model(images, {"map": x, **features}, name="lenet"), config.classes)
