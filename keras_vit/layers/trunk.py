"""The residual network up to its head, alone or under a transformer."""

from collections.abc import Sequence
from typing import Any

import keras

from keras_vit.layers.convolution import EdgePadding2D, convolution, normalisation
from keras_vit.layers.intermediates import Tappable
from keras_vit.layers.residual import DropPath


@keras.saving.register_keras_serializable("keras_vit")
class ResidualBlock(Tappable):
    """Adds convolutions of a map to the map: (B, h, w, C) to (B, h / stride, w / stride, D), sizes rounded up.

    D is `width`, or 4 * `width` for a bottleneck, whose stride sits on its 3x3 convolution. Where the
    shapes differ a 1x1 convolution carries the map over. He et al. 2016 (arXiv 1512.03385), or with
    `preactivation` "Identity Mappings in Deep Residual Networks" (arXiv 1603.05027). With `groups` the
    normalisation is GroupNorm and the convolutions standardise their weights. `padding` as in `convolution`,
    `drop_path` as in DropPath.
    """

    def __init__(
        self,
        width: int,
        stride: int = 1,
        bottleneck: bool = True,
        preactivation: bool = False,
        groups: int | None = None,
        padding: str = "even",
        drop_path: float = 0.0,
        **kwargs: Any,
    ):
        super().__init__(**kwargs)
        self.width = width
        self.stride = stride
        self.bottleneck = bottleneck
        self.preactivation = preactivation
        self.groups = groups
        self.padding = padding
        self.drop_path = DropPath(drop_path, name="drop_path", dtype=self.dtype_policy)
        self.relu = keras.layers.ReLU(name="relu", dtype=self.dtype_policy)

    def build(self, shape: tuple) -> None:
        out = self.width * (4 if self.bottleneck else 1)
        if self.bottleneck:
            plan = [(self.width, 1, 1), (self.width, 3, self.stride), (out, 1, 1)]
        else:
            plan = [(self.width, 3, self.stride), (self.width, 3, 1)]
        self.start: list[keras.layers.Layer] = []
        self.branch: list[keras.layers.Layer] = []
        self.carried: list[keras.layers.Layer] = []
        for i, size in enumerate(plan, start=1):
            conv, norm = self._convolution(*size, f"conv{i}"), self._normalisation(f"norm{i}")
            if not self.preactivation:
                self.branch += [*conv, norm, self.relu]
            elif i == 1:
                self.start += [norm, self.relu]
                self.branch += conv
            else:
                self.branch += [norm, self.relu, *conv]
        if not self.preactivation:
            self.branch.pop()  # the last ReLU acts on the sum
        if self.stride > 1 or shape[-1] != out:
            self.carried += self._convolution(out, 1, self.stride, "shortcut")
            if not self.preactivation:
                self.carried.append(self._normalisation("shortcut_norm"))
        for layers in (self.start, self.branch, self.carried):
            now = shape
            for layer in layers:
                layer.build(now)
                now = layer.compute_output_shape(now)
        self.drop_path.build(self.compute_output_shape(shape))

    def call(self, x: Any, training: bool | None = None, intermediates: Sequence[str] | None = None) -> Any:
        """Computes the output; `intermediates`, as in Tappable, are the maps that the layers of the branch give.

        "carried" is what the branch is added to: `x`, or where the shapes differ its convolution.
        """
        maps: dict[str, Any] = {}
        started = _run(self.start, x, training, maps)
        maps["carried"] = _run(self.carried, started, training, {}) if self.carried else x
        both = maps["carried"] + self.drop_path(_run(self.branch, started, training, maps), training=training)
        return self.select({**maps, "out": both if self.preactivation else self.relu(both)}, intermediates)

    @property
    def intermediates(self) -> tuple[str, ...]:  # type: ignore[override]
        """The names that `call` knows."""
        count = 3 if self.bottleneck else 2
        return (*(f"{what}{i}" for i in range(1, count + 1) for what in ("conv", "norm")), "carried")

    @property
    def branches(self) -> dict[str, tuple[str | None, str]]:  # type: ignore[override]
        """As in TransformerBlock."""
        return {"convolution": ("carried", self.branch[-1].name)}

    def compute_output_shape(self, shape: tuple) -> tuple:
        size = [None if side is None else -(-side // self.stride) for side in shape[1:3]]
        return (shape[0], *size, self.width * (4 if self.bottleneck else 1))

    def _convolution(self, width, kernel, stride, name):
        standardise = self.groups is not None
        return convolution(width, kernel, stride, name, self.padding, standardise, dtype=self.dtype_policy)

    def _normalisation(self, name):
        return normalisation(name, self.groups, dtype=self.dtype_policy)


def _run(layers, x, training, maps):
    """Returns what `layers` make of `x`, one after the other, and keeps in `maps` what each gives, by its name."""
    for layer in layers:
        x = layer(x, training=training) if isinstance(layer, keras.layers.BatchNormalization) else layer(x)
        maps[layer.name] = x
    return x


def residual_trunk(
    images: keras.KerasTensor,
    blocks: Sequence[int],
    width: int = 64,
    bottleneck: bool = True,
    preactivation: bool = False,
    groups: int | None = None,
    padding: str = "zeros",
    drop_path: float = 0.0,
) -> tuple[keras.KerasTensor, dict[str, keras.KerasTensor]]:
    """Returns the last map of a residual network and {"stage_i": map} of its stages, one for each of `blocks`.

    Each stage has so many blocks, and is half as large and twice as wide as the one before; the stem is a
    quarter of the images' size. Options as in ResidualBlock. `padding` is that of the stem's pooling:
    "zeros" or "edge" on all sides, or "same" for TensorFlow's there and in all convolutions. `drop_path` is that
    of the last block; it grows linearly from 0.
    """
    within = "same" if padding == "same" else "even"
    x = images
    for part in convolution(width, 7, 2, "embed", within, groups is not None):
        x = part(x)
    if not preactivation:
        x = normalisation("embed_norm", groups)(x)
        x = keras.layers.ReLU(name="embed_relu")(x)
    if padding != "same":
        x = (EdgePadding2D if padding == "edge" else keras.layers.ZeroPadding2D)(name="embed_pool_pad")(x)
    x = keras.layers.MaxPooling2D(3, 2, "same" if padding == "same" else "valid", name="embed_pool")(x)
    features, last = {}, max(sum(blocks) - 1, 1)
    for i, count in enumerate(blocks):
        for j in range(count):
            stride, drop = 2 if i and not j else 1, drop_path * (sum(blocks[:i]) + j) / last
            name = f"stage_{i}_block_{j}"
            x = ResidualBlock(width * 2**i, stride, bottleneck, preactivation, groups, within, drop, name=name)(x)
        x = features[f"stage_{i}"] = keras.layers.Identity(name=f"stage_{i}")(x)
    return x, features


def trunk_stride(blocks: Sequence[int]) -> int:
    """Returns how many pixels of the images a cell of the last map of `residual_trunk` is apart from the next."""
    return 4 * 2 ** max(len(blocks) - 1, 0)
