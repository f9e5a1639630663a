"""The batch size and the warm-up of a training to which none was given: what its images and epochs have room for."""

from collections.abc import Mapping
from typing import Any, TypeVar

from keras_vit.training.options import SIZED, Options

T = TypeVar("T")
STEPS = 16  # of an epoch, where there are enough images
LEAST = 8  # images in a batch, where there are enough: gradients and batch normalisation of fewer are noise
WARMUP = 5.0  # epochs at most


def fill(options: Options[T], images: int, devices: int, earlier: Mapping[str, Any]) -> Options[T]:
    """Returns `options` with the batch size and the warm-up that aren't given, for so many training `images`.

    `earlier` has what a run that goes on has chosen, {name: value}: it stays, whatever the devices are by now.
    """
    optim = options.optim
    found = {
        "batch_size": batch_for(images, optim.largest_batch, devices * optim.gradient_accumulation),
        "warmup_epochs": warmup_for(optim.epochs),
    }
    missing = [name for name in SIZED if getattr(optim, name) is None]
    return options.replace(**{name: earlier.get(name, found[name]) for name in missing})


def batch_for(images: int, most: int, parts: int = 1) -> int:
    """Returns the largest power of two by which an epoch has 16 steps, from 8 to `most`, but no more than `images`.

    It is rounded down to what divides into `parts`, or is their number where it is less.
    """
    wanted = min(max(LEAST, images // STEPS), most, images)
    power = 1 << (wanted.bit_length() - 1)
    return max(parts, power // parts * parts)


def warmup_for(epochs: int) -> float:
    """Returns a tenth of the epochs, 5 at most."""
    return min(WARMUP, epochs / 10)


def notice(asked: Options[T], options: Options[T], images: int) -> str | None:
    """Returns a sentence of what was chosen where `asked` gave nothing; None where all was given."""
    chosen = [f"{name} {getattr(options.optim, name):g}" for name in SIZED if getattr(asked.optim, name) is None]
    if not chosen:
        return None
    epochs = options.optim.epochs
    return f"chosen for {images:,} training images and {epochs} epochs, unless given: {', '.join(chosen)}"
