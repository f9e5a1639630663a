"""The preprocessing of published checkpoints, and that which travels with a model."""

import keras

from keras_vit import bundle, registry
from keras_vit.data.preprocessing import Preprocessing
from keras_vit.layers import pair
from keras_vit.weights import CheckpointError, published


def preprocessing(
    model: keras.Model | str,
    weights: str | None = None,
    image_size: int | tuple[int, int] | None = None,
    channels: int = 3,
) -> Preprocessing:
    """Returns the Preprocessing that makes of images what `model` takes.

    Of a model it is the one that travels with it. Of a name, such as "vit-b16", it is that of the published checkpoint
    `weights`, or without one a scale of -1 to 1, for images of `image_size`, by default the model's own, and of
    `channels`; for one channel the mean and deviation are those of grey, the mean over colours. Raises ValueError for
    a model that says nothing of its images, and CheckpointError for a checkpoint that isn't known.

    >>> images = keras_vit.preprocessing(model)(["cat.png", np.zeros((48, 64, 3), "uint8")])
    >>> images.shape, model.predict(images, verbose=0).shape
    ((2, 32, 32, 3), (2, 10))
    >>> keras_vit.preprocessing("vit-b16", "augreg_in21k_ft_in1k").mean
    (0.5, 0.5, 0.5)
    """
    if not isinstance(model, str):
        return _of_model(model, weights, image_size)
    name = model
    _, config = registry.resolve(name)
    known = published(name)
    if weights is not None and weights not in known:
        raise CheckpointError(f"{name} has no published checkpoint {weights!r}; it has {', '.join(known) or 'none'}")
    size = image_size or config.image_size or (known[weights].image_size if weights else 224)
    if weights is None:
        return Preprocessing(pair(size), channels)
    return _adapted(known[weights].preprocessing, pair(size), channels)


def _of_model(model, weights, image_size):
    if weights is not None:
        raise ValueError(f"weights={weights!r} are of a name; {model.name} is a model, which carries its preprocessing")
    found = model_preprocessing(model, None if image_size is None else pair(image_size))
    if found is None:
        raise ValueError(
            f"{model.name} says nothing of how its images are prepared; a trained or published model does, and "
            "keras_vit.bundle.update(model, preprocessing=keras_vit.data.Preprocessing(...)) says it of any other"
        )
    if image_size is not None and found.image_size != pair(image_size):
        raise ValueError(f"{model.name} takes images of {found.image_size}, not of image_size={image_size!r}")
    return found


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
