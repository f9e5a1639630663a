"""Images to patches."""

from typing import Any

import keras
from keras import ops

from keras_vit.layers.inputs import pair
from keras_vit.layers.padding import pad_to_multiple


@keras.saving.register_keras_serializable("keras_vit")
class PatchEmbed(keras.layers.Layer):
    """Projects patches of `patch` pixels to `width` numbers: (B, H, W, C) to (B, H // patch, W // patch, width).

    Dosovitskiy et al. 2021 (arXiv 2010.11929), equation 1. `patch` is an int or an (h, w) pair.
    An image that patches don't fill is cut at the bottom and right, or with `pad` filled up with zeros.
    """

    def __init__(
        self, width: int, patch: int | tuple[int, int], use_bias: bool = True, pad: bool = False, **kwargs: Any
    ):
        super().__init__(**kwargs)
        self.width = width
        self.patch = pair(patch, "patch")
        self.use_bias = use_bias
        self.pad = pad

    def build(self, shape: tuple) -> None:
        self.kernel = self.add_weight((*self.patch, shape[-1], self.width), "lecun_normal", name="kernel")
        self.bias = self.add_weight((self.width,), "zeros", name="bias") if self.use_bias else None

    def call(self, images: Any) -> Any:
        if self.pad:
            images = pad_to_multiple(images, self.patch)
        cells = ops.conv(images, self.kernel, self.patch, "valid", data_format="channels_last")
        return cells if self.bias is None else cells + self.bias
