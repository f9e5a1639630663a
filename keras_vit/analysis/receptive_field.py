"""Which pixels a cell of a layer depends on: the effective receptive field."""

from collections.abc import Iterable

import keras
import numpy as np
from keras import ops

from keras_vit.analysis.cells import cells_of, check_batch, model_and_images
from keras_vit.analysis.gradients import pullback
from keras_vit.analysis.numbers import positive_number, whole_number
from keras_vit.analysis.watching import watched
from keras_vit.taps import check_names, tap


def effective_receptive_field(
    model: keras.Model | str,
    images: np.ndarray,
    names: str | Iterable[str],
    channels: int | None = 16,
    batch: int = 32,
    seed: int = 0,
) -> dict[str, np.ndarray]:
    """Returns {tap: (H, W)}: |d centre cell / d pixel|, the mean over channels of the tap, of images, and `images`.

    Luo et al. 2016 (arXiv 1701.04128), as Raghu et al. 2021 (arXiv 2108.08810), section 5, average it. The cell is the
    one at (h // 2, w // 2) of the tap's map. Each channel costs a backward pass: for each image so many `channels` are
    drawn without replacement, whose mean is that of all in expectation; None takes all, which is exact.
    `images` is (B, H, W, C), of which the paper takes 32. Raises ValueError for a tap that has no cells.

    >>> fields = keras_vit.analysis.effective_receptive_field(model, images[:2], ["embed", "block_1"], channels=2)
    >>> {name: field.shape for name, field in fields.items()}
    {'embed': (32, 32), 'block_1': (32, 32)}
    """
    (model, images), batch = model_and_images(model, images), check_batch(batch)
    if not isinstance(names, Iterable):
        raise ValueError(f"names are taps of the model, such as 'block_0', one or a list of them, not {names!r}")
    names = [names] if isinstance(names, str) else list(names)
    check_names(model, names)
    if channels is not None:
        channels = whole_number("channels", channels, what="how many of each tap are drawn (None for all)")
    seed = whole_number("seed", seed, least=0)
    fields = {}
    for name in names:
        tapped, rng = tap(model, name), np.random.default_rng(seed)
        firsts = watched(range(0, len(images), batch), f"receptive field of {name}")
        parts = [_total(tapped, model, name, images[i : i + batch], channels, rng) for i in firsts]
        fields[name] = sum(parts) / len(images)
    return fields


def field_share(field: np.ndarray, mass: float = 0.5) -> float:
    """Returns which share of the pixels of a field (H, W), the strongest, hold `mass` of it: small means local.

    >>> keras_vit.analysis.field_share(np.eye(4))  # all of it on 4 of 16 pixels, half on 2
    0.125
    """
    field = np.asarray(field)
    if (
        field.ndim != 2
        or field.dtype.kind not in "uif"
        or not (np.isfinite(field) & (field >= 0)).all()
        or not field.any()
    ):
        raise ValueError(
            "a field is (H, W), finite numbers of 0 or more and not all 0, as effective_receptive_field gives"
        )
    mass = positive_number("mass", mass, "a share above 0 and at most 1", most=1)
    held = np.cumsum(np.sort(field, axis=None)[::-1])
    return float(np.searchsorted(held, mass * held[-1]) + 1) / field.size


def _total(tapped, model, name, images, channels, rng):
    """Returns the field of each image added up, (H, W)."""
    values, pull = pullback(lambda pixels: tapped(pixels, training=False)[name], images)
    cells = cells_of(model, images, name, values.shape)
    depth, place = values.shape[-1], _centre(cells, values.shape)
    drawn = rng.permuted(np.tile(np.arange(depth), (len(images), 1)), axis=1)[:, :channels]  # (B, channels)
    total = np.zeros(images.shape[1:3])
    for of_images in drawn.T:
        chosen = np.zeros(values.shape, "float32")
        chosen[(np.arange(len(images)), *place, of_images)] = 1  # images don't meet: each has its own channel
        total += np.abs(pull(ops.cast(chosen, values.dtype))).sum(axis=(0, 3))
    return total / (drawn.shape[1] * images.shape[3])


def _centre(cells, shape):
    """Returns the index of the centre cell in a tensor of `shape`, between batch and channel."""
    y, x = cells.grid[0] // 2, cells.grid[1] // 2
    return (y, x) if len(shape) == 4 else (cells.prefix + y * cells.grid[1] + x,)
