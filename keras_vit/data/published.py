"""The preprocessing of published checkpoints."""

from keras_vit import registry
from keras_vit.data.preprocessing import Preprocessing
from keras_vit.layers import pair
from keras_vit.weights import CheckpointError, Published, published


def preprocessing(name, weights=None, image_size=None, channels=3):
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
    return as_trained(known[weights], pair(size), channels)


def as_trained(checkpoint: Published, image_size, channels):
    """Returns the Preprocessing that a Published checkpoint was trained with, for another size or for grey images."""
    values = (checkpoint.mean, checkpoint.std)
    mean, std = (sum(each) / len(each) for each in values) if channels == 1 else values
    return Preprocessing(image_size, channels, mean, std, checkpoint.interpolation, checkpoint.crop)
