"""The input of every model, and the one place where its size is checked."""

from collections.abc import Sequence

import keras

from keras_vit.layers.images import Images


def pair(size: int | Sequence[int], name: str = "image_size") -> tuple[int, int]:
    """Returns `size`, an int or an (h, w) pair of positive ints, as a tuple (h, w)."""
    both = (size, size) if hasattr(size, "__index__") and not isinstance(size, bool) else size
    if not (isinstance(both, (tuple, list)) and len(both) == 2 and all(_positive(side) for side in both)):
        raise ValueError(f"{name} is a positive int or a pair (height, width) of them, not {size!r}")
    height, width = both
    return int(height), int(width)


def image_input(
    image_size: int | Sequence[int] | None,
    channels: int = 3,
    multiple: int | Sequence[int] = 1,
    least: int | Sequence[int] = 1,
) -> tuple[keras.KerasTensor, keras.KerasTensor]:
    """Returns the keras.Input "images" and the same images (B, h, w, channels) for the first layer to take.

    Their size is open where `image_size` is None. Between the two stands the layer that keeps what travels with the
    model, see keras_vit.bundle.
    Raises ValueError for a size that is smaller than `least` or no multiple of `multiple` (both a side
    in pixels, or a pair), such as an image that the patch doesn't divide.
    """
    if keras.config.image_data_format() != "channels_last":
        raise ValueError("keras_vit's maps are channels_last; set image_data_format so in keras.json")
    if not _positive(channels):
        raise ValueError(f"channels is a positive int, not {channels!r}")
    channels = int(channels)
    if image_size is None:
        return _carried(None, None, channels)
    size, multiple, least = pair(image_size), pair(multiple, "multiple"), pair(least, "least")
    for side, step, low in zip(size, multiple, least, strict=True):
        low = max(low, step)
        if side < low:
            raise ValueError(f"image_size {image_size!r} is too small: its sides must be {low} or more")
        if side % step:
            down = side - side % step
            raise ValueError(f"image_size {image_size!r} is no multiple of {step}: {down} or {down + step} would be")
    return _carried(*size, channels)


def _carried(*shape):
    images = keras.Input(shape, name="images")
    return images, Images(name="bundle")(images)


def _positive(value):
    return hasattr(value, "__index__") and not isinstance(value, bool) and value > 0
