"""What is known of a model before it is built: its size, what it computes, its published checkpoints."""

from typing import NamedTuple

from keras_vit import registry
from keras_vit.models import count_both
from keras_vit.weights import published


class Facts(NamedTuple):
    """A model's row: what is said of it, each as it is printed."""

    name: str
    parameters: str
    gmacs: str
    image: str
    checkpoints: list[str]


def facts(name: str) -> Facts:
    """Returns the Facts of the model called `name`; a model of any size has its GMACs at 224 pixels."""
    _, config = registry.resolve(name)
    tags = [f"{tag} ({each.top1:.1f} %)" if each.top1 else tag for tag, each in published(name).items()]
    parameters, macs = count_both(name, **({"image_size": 224} if config.image_size is None else {}))
    return Facts(name, f"{parameters:,}", f"{macs / 1e9:.3g}", _size(config.image_size), tags)


def _size(size):
    return "any" if size is None else "×".join(map(str, (size, size) if isinstance(size, int) else size))
