"""Convolutions and normalisations as published residual networks have them."""

from typing import Any

import keras
from keras import ops


@keras.saving.register_keras_serializable("keras_vit")
class StandardisedConv2D(keras.layers.Conv2D):
    """A convolution whose kernel is brought to mean 0 and variance 1 for each output channel as it is used.

    Qiao et al. 2019, "Weight Standardization" (arXiv 1903.10520). The arguments are those of keras.layers.Conv2D.
    """

    def convolution_op(self, inputs: Any, kernel: Any) -> Any:
        exact = ops.cast(kernel, "float32")  # the moments of 8 bits of precision would be too coarse
        mean, variance = ops.moments(exact, axes=(0, 1, 2), keepdims=True)
        standard = (exact - mean) * ops.rsqrt(variance + 1e-8)
        return super().convolution_op(inputs, ops.cast(standard, kernel.dtype))


@keras.saving.register_keras_serializable("keras_vit")
class EdgePadding2D(keras.layers.Layer):
    """Repeats the cells at the edge of a map once: (B, h, w, D) to (B, h + 2, w + 2, D).

    Before a maximum over 3x3 cells this is the padding with nothing at all, which zeros are not where all
    cells are negative.
    """

    def call(self, cells: Any) -> Any:
        cells = ops.concatenate([cells[:, :1], cells, cells[:, -1:]], axis=1)
        return ops.concatenate([cells[:, :, :1], cells, cells[:, :, -1:]], axis=2)


def convolution(
    width: int,
    kernel: int,
    stride: int,
    name: str,
    padding: str = "even",
    standardise: bool = False,
    dtype: str | keras.DTypePolicy | None = None,
) -> list[keras.layers.Layer]:
    """Returns the layers of a convolution without bias.

    `padding` "even" pads alike on all sides, as PyTorch does; "same" pads a strided convolution more at the
    bottom and right, as TensorFlow does. Weights trained with one are shifted under the other.
    """
    make = StandardisedConv2D if standardise else keras.layers.Conv2D
    even = padding == "even" and kernel > 1
    conv = make(
        width,
        kernel,
        stride,
        "valid" if even else "same",
        use_bias=False,
        kernel_initializer="he_normal",
        name=name,
        dtype=dtype,
    )
    return [keras.layers.ZeroPadding2D(kernel // 2, name=f"{name}_pad", dtype=dtype), conv] if even else [conv]


def normalisation(
    name: str, groups: int | None = None, dtype: str | keras.DTypePolicy | None = None
) -> keras.layers.Layer:
    """Returns the group normalisation of `groups` groups, or the batch normalisation where `groups` is None."""
    if groups is None:
        return keras.layers.BatchNormalization(momentum=0.9, epsilon=1e-5, name=name, dtype=dtype)
    return keras.layers.GroupNormalization(groups, epsilon=1e-5, name=name, dtype=dtype)
