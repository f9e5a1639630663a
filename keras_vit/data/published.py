"""The preprocessing of published checkpoints, and that which travels with a model."""

import keras

from keras_vit import bundle, registry
from keras_vit.data.preprocessing import Preprocessing
from keras_vit.layers import pair
from keras_vit.weights import CheckpointError, published


def preprocessing(
    name: str, weights: str | None = None, image_size: int | tuple[int, int] | None = None, channels: int = 3
) -> Preprocessing:
    """Returns the Preprocessing of images for the model called `name` with the published checkpoint `weights`.

    `image_size` is the model's own unless given. Without `weights`, pixels are scaled to -1 .. 1. For one
    channel the mean and deviation are those of grey, the mean over colours.
    """
    _, config = registry.resolve(name)
    known = published(name)
    if weights is not None and weights not in known:
        raise CheckpointError(f"{name} has no published checkpoint {weights!r}; it has {', '.join(known) or 'none'}")
    size = image_size or config.image_size or (known[weights].image_size if weights else 224)
    if weights is None:
        return Preprocessing(pair(size), channels)
    return _adapted(known[weights].preprocessing, pair(size), channels)


def model_preprocessing(model: keras.Model, image_size: tuple[int, int] | None = None) -> Preprocessing | None:
    """Returns the Preprocessing that travels with `model` (keras_vit.bundle), made to fit its input; None for none.

    Images are brought to the size of the model's input, or where that is open to `image_size`, or else to the size that
    the model was trained at.
    """
    numbers = bundle.of(model).preprocessing
    if numbers is None:
        return None
    _, height, width, channels = model.input_shape
    size = (height, width)
    if None in size:
        size = numbers["image_size"] if image_size is None or None in image_size else image_size
    return _adapted(numbers, size, channels)


def _adapted(numbers, image_size, channels):
    """Returns the Preprocessing of `numbers` for images of another size, or for grey ones."""
    values = {key: numbers[key] for key in ("mean", "std")}
    if channels == 1:
        values = {key: sum(x) / len(x) if isinstance(x, tuple) else x for key, x in values.items()}
    return Preprocessing(**{**numbers, **values, "image_size": image_size, "channels": channels})
