"""The last layer of a classifier, and what it says about the features that it reads."""

import dataclasses
from typing import Any

import keras

HEADS = ("head", "head_dist")  # the names of a model's last layers; the second learns from a teacher
POOLS = ("token", "mean")


@keras.saving.register_keras_serializable("keras_vit")
class LinearHead(keras.layers.Dense):
    """A dense layer to logits in float32 that says what it reads: (B, D) to (B, units).

    `reads` "mean" is the mean of the cells of the map, "token" the prefix token of index `token`, 0 for the class
    token. It changes nothing in the layer: `keras_vit.analysis` asks for it where it follows the logits back to the
    image. Options are those of keras.layers.Dense.
    """

    def __init__(self, units: int, reads: str, token: int = 0, **kwargs: Any):
        if reads not in POOLS:
            raise ValueError(f"reads is one of {', '.join(POOLS)}, not {reads!r}")
        # float32 even under a mixed policy: a loss over logits of 8 bits of precision is too coarse
        super().__init__(units, **{"kernel_initializer": "zeros", "dtype": "float32", **kwargs})
        self.reads = reads
        self.token = token

    def quantize(self, mode: str | None = None, type_check: bool = True, config: Any = None) -> None:
        # Keras refuses subclasses of Dense, for they may compute something else; this one doesn't
        return super().quantize(mode, type_check=False, config=config)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "reads": self.reads, "token": self.token}


@dataclasses.dataclass(frozen=True)
class Reading:
    """What the end of a model reads: the "mean" of the cells of the map, or the "token" of index `token`."""

    pool: str
    token: int = 0


def reading(model: keras.Model) -> Reading | None:
    """Returns what the head of `model` says that it reads, of two heads the first; None where none says it.

    A backbone reads the token of its layer "class_token", or where it has none the mean of its map.
    """
    for layer in model.layers:
        if isinstance(layer, LinearHead):
            return Reading(layer.reads, layer.token)
    if not isinstance(model.output, dict) or "map" not in model.output:
        return None
    return Reading("token" if any(layer.name == "class_token" for layer in model.layers) else "mean")
