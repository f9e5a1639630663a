"""Models by name, wherever one is asked for."""

from keras_vit import registry
from keras_vit.weights.published import published


def model_of(model, shape=None):
    """Returns `model` itself, or the one that "MODEL:WEIGHTS" names, such as "vit-b16:augreg_in21k_ft_in1k".

    WEIGHTS is the tag of a published checkpoint, which the hub's cache keeps, or a path. The model is built for images
    of `shape` (B, H, W, C) where that is given, else as it was published. Raises ValueError for a name alone: what a
    network looks at before training means nothing, and is to be asked for by giving a built one.
    """
    if not isinstance(model, str):
        return model
    name, _, weights = model.partition(":")
    if not weights:
        known = next(iter(published(name)), "path/to/checkpoint.safetensors")
        raise ValueError(
            f"{model!r} says nothing of weights; name some, as in '{name}:{known}', or give a model, such as the "
            f"untrained keras_vit.build({name!r})"
        )
    fitting = {} if shape is None or len(shape) != 4 else {"image_size": tuple(shape[1:3]), "channels": shape[3]}
    return registry.build(name, weights=weights, **fitting)
