"""Attention within the windows of a map, whose cost grows with the size of the map and not with its square."""

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from keras import ops

from keras_vit.layers.attention import MultiHeadAttention
from keras_vit.layers.inputs import pair
from keras_vit.layers.intermediates import Tappable
from keras_vit.layers.padding import pad_to_multiple
from keras_vit.layers.relative import RelativePositionBias

PADDINGS = ("timm", "original", "masked")
_APART = -100.0  # added to a logit where two cells may not see each other, as in every published implementation


@keras.saving.register_keras_serializable("keras_vit")
class WindowAttention(Tappable):
    """Lets the cells of each window look at one another, biased by their distance: (B, h, w, D) to (B, h, w, D).

    Liu et al. 2021 (arXiv 2103.14030). With `shift` the windows stand half a window further down and right;
    they go on at the opposite border, where cells see only those of their own border. Along a side of a
    map that is no longer than the window, the window shrinks to the map and stays unshifted.

    A map that the windows don't fill is padded with zeros at the bottom and right. `padding` says how:
    "original" pads and then shifts, as the paper's code, transformers and the detectors and segmenters built
    on it do; "timm" shifts and then pads; in both the zeros take part in attention. "masked" pads, shifts, and
    keeps the zeros out of attention. Where windows fill the map, all three are one.
    """

    def __init__(
        self,
        heads: int,
        window: int | tuple[int, int],
        shift: bool = False,
        padding: str = "timm",
        head_width: int | None = None,
        qkv_bias: bool | str = True,
        qk_norm: bool = False,
        dropout: float = 0.0,
        epsilon: float = 1e-6,
        **kwargs: Any,
    ):
        super().__init__(**kwargs)
        if padding not in PADDINGS:
            raise ValueError(f"padding is one of {', '.join(PADDINGS)}, not {padding!r}")
        self.heads = heads
        self.window = pair(window, "window")
        self.shift = shift
        self.padding = padding
        self.within = MultiHeadAttention(
            heads, head_width, qkv_bias, qk_norm=qk_norm, dropout=dropout, epsilon=epsilon,
            name="within", dtype=self.dtype_policy,
        )  # fmt: skip

    def build(self, shape: tuple) -> None:
        window: Any = tuple(
            size if side is None else min(size, side) for size, side in zip(self.window, shape[1:3], strict=True)
        )
        self.bias = RelativePositionBias(window, self.heads, name="bias", dtype=self.dtype_policy)
        self.bias.build()
        self.within.build((None, window[0] * window[1], shape[-1]))

    intermediates = MultiHeadAttention.intermediates

    def call(
        self,
        x: Any,
        bias: Any = None,
        rotary: tuple[Any, Any] | None = None,
        training: bool | None = None,
        attention_delta: Any = None,
        intermediates: Sequence[str] | None = None,
    ) -> Any:
        """Attends; `bias` and `rotary` are those of MultiHeadAttention for the N cells of a window.

        `bias` comes on top of the learned one. `intermediates` are those of MultiHeadAttention, window by window
        behind the batch: "attention" is (B, windows, heads, N, N), as is `attention_delta`. The windows come row by
        row: `places` says which cells they hold.
        """
        cells, learned, window, shift, full = self._windows(x, bias)
        if attention_delta is not None:
            attention_delta = ops.reshape(attention_delta, (-1, *attention_delta.shape[2:]))
        options = {"rotary": rotary, "training": training, "attention_delta": attention_delta}
        tensors = self.within(cells, bias=learned, intermediates=intermediates or (), **options)
        out = self._restored(_join(tensors.pop("out"), window, full), ops.shape(x)[1:3], shift)
        windows = (full[0] // window[0]) * (full[1] // window[1])
        tensors = {name: ops.reshape(each, (-1, windows, *ops.shape(each)[1:])) for name, each in tensors.items()}
        return self.select({**tensors, "out": out}, intermediates)

    def places(self, size: tuple[int, int]) -> np.ndarray:
        """Returns which cell of a map of `size` (h, w) each cell of each window is, (windows, N): row * w + column.

        -1 is padding.
        """
        window, shift = self._fits(size)
        numbers = ops.reshape(ops.arange(1, size[0] * size[1] + 1), (1, *size, 1))
        cells = _split(self._arranged(numbers, window, shift), window)
        return ops.convert_to_numpy(cells)[..., 0] - 1

    def apart(self, size: tuple[int, int]) -> np.ndarray:
        """Returns which cells of each window may not see each other on a map of `size` (h, w), (windows, N, N)."""
        window, shift = self._fits(size)
        full = tuple(-(-side // step) * step for side, step in zip(size, window, strict=True))
        return ops.convert_to_numpy(self._apart(size, full, window, shift))

    def _fits(self, size):
        """Returns the window and the shift on a map of `size`."""
        fits = [_fit(side, window, self.shift) for side, window in zip(size, self.window, strict=True)]
        return zip(*fits, strict=True)

    def _windows(self, x, bias):
        """Returns the windows of the map `x`, their bias, and by what window, shift and full size they were cut."""
        size = ops.shape(x)[1:3]
        window, shift = self._fits(size)
        cells = self._arranged(x, window, shift)
        full = ops.shape(cells)[1:3]
        cells = _split(cells, window)
        learned = self.bias(ops.reshape(cells, (-1, *window, cells.shape[-1])))
        learned = learned if bias is None else learned + bias
        if self._has_borders(size, full, shift):
            apart = self._apart(size, full, window, shift)
            learned = ops.cast(learned, "float32") + ops.where(apart, _APART, 0.0)[:, None]
            learned = ops.tile(learned, (ops.shape(x)[0], 1, 1, 1))
        return cells, learned, window, shift, full

    def compute_output_shape(self, shape: tuple) -> tuple:
        return shape

    def _arranged(self, x, window, shift):
        """Returns the map `x` shifted against its windows, and padded until they fill it."""
        back = [-step for step in shift]
        if self.padding == "timm":
            return pad_to_multiple(_roll(x, back), window)
        return _roll(pad_to_multiple(x, window), back)

    def _restored(self, x, size, shift):
        """Undoes `_arranged`."""
        if self.padding == "timm":
            return _roll(x[:, : size[0], : size[1]], shift)
        return _roll(x, shift)[:, : size[0], : size[1]]

    def _has_borders(self, size, full, shift):
        return not _same(shift, (0, 0)) or (self.padding == "masked" and not _same(size, full))

    def _apart(self, size, full, window, shift):
        """Returns for each window which of its cells may not see each other, (windows, N, N)."""
        rows, columns = (self._regions(*each) for each in zip(size, full, window, shift, strict=True))
        regions = _split((4 * rows[:, None] + columns[None])[None, :, :, None], window)
        return ops.not_equal(regions, ops.swapaxes(regions, 1, 2))

    def _regions(self, side, full, window, shift):
        """Returns a number for each of the `full` rows of an arranged map: rows of one number belong together."""
        place = ops.arange(full)
        regions = ops.cast(place >= full - window, "int32") + ops.cast(place >= full - shift, "int32")
        return ops.where((place + shift) % full >= side, 3, regions) if self.padding == "masked" else regions


def _fit(side, window, shift):
    """Returns the (window, shift) that fits a `side` of a map."""
    if isinstance(side, int):
        return min(side, window), window // 2 if shift and side > window else 0
    return ops.minimum(side, window), ops.where(side > window, window // 2, 0) if shift else 0


def _same(one, other):
    """Returns whether two pairs are known to be the same; what only the running graph knows may differ."""
    return all(isinstance(each, int) for each in (*one, *other)) and tuple(one) == tuple(other)


def _roll(x, shift):
    return x if _same(shift, (0, 0)) else ops.roll(x, tuple(shift), (1, 2))


def _split(x, window):
    """Returns the windows of a map, row by row: (B, h, w, D) to (B * windows, N, D)."""
    (height, width), depth = ops.shape(x)[1:3], x.shape[-1]
    x = ops.reshape(x, (-1, height // window[0], window[0], width // window[1], window[1], depth))
    return ops.reshape(ops.transpose(x, (0, 1, 3, 2, 4, 5)), (-1, window[0] * window[1], depth))


def _join(windows, window, size):
    """Returns the map of `size` that `_split` took apart."""
    (height, width), depth = size, windows.shape[-1]
    x = ops.reshape(windows, (-1, height // window[0], width // window[1], *window, depth))
    return ops.reshape(ops.transpose(x, (0, 1, 3, 2, 4, 5)), (-1, height, width, depth))
