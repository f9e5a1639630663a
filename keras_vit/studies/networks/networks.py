"""Networks of different kinds, of about as many parameters."""

import dataclasses
from collections.abc import Iterable

from keras_vit import models


@dataclasses.dataclass(frozen=True)
class Network:
    """One network: a model of the zoo, its options, and how it sees an image, in words."""

    model: str
    options: dict
    idea: str


def networks(
    names: Iterable[str], channels: int, classes: int, *, image_size: int, width: int, depth: int
) -> dict[str, Network]:
    """Returns {name: Network} of `names` for images of `channels` and a side of `image_size` pixels.

    `width` is that of the tokens, `depth` the blocks of the ViT and the hybrid; the others are made about as large.
    Raises ValueError for a name that isn't known and for sizes that can't be met.
    """
    if image_size < 32 or image_size % 32 or width < 16 or width % 16:
        raise ValueError(f"image_size is a multiple of 32 and width one of 16, not {image_size} and {width}")
    patch = image_size // 8
    tokens = {"width": width, "mlp_dim": 2 * width, "depth": depth, "heads": width // 16, "patch": patch}
    mixing = {"width": width, "mlp_dim": 2 * width, "depth": depth + 1, "token_mlp_dim": width, "patch": patch}
    enough = models.count_parameters("vit-ti16", image_size=image_size, channels=channels, classes=classes, **tokens)
    hidden = max(8, round(enough / (image_size * image_size * channels)))
    known = {
        "MLP": Network("mlp", {"widths": (hidden, hidden)}, "a row of pixels, each with a weight for each unit"),
        "LeNet": Network("lenet-5", {}, "neighbourhoods of 5 by 5, as in 1998"),
        "ResNet": Network(
            "resnet-18", {"blocks": (1, 1, 1, 0), "width": width // 3}, "neighbourhoods, with skips around convolutions"
        ),
        "ViT": Network("vit-ti16", tokens, f"patches of {patch} by {patch} px that attend to each other"),
        "hybrid": Network(
            "vit-r-ti16", tokens | {"patch": image_size // 32}, "what a convolution finds, attending to each other"
        ),
        "Mixer": Network("mixer-s16", mixing, f"patches of {patch} by {patch} px, mixed by perceptrons"),
    }
    for name in names:
        if name not in known:
            raise ValueError(f"no network {name!r}; it is one of {', '.join(known)}")
    return {name: known[name] for name in names}
