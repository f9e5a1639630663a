"""Where a model looks, as maps over the image."""

import inspect
from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np
from keras import ops

from keras_vit import heads
from keras_vit.analysis import flow, saliency
from keras_vit.analysis.cells import check_batch, model_and_images
from keras_vit.analysis.gradients import logit_gradients, logits_of, of_logits, target_of
from keras_vit.models import model_of


def attention(
    model: keras.Model | str, images: np.ndarray, method: str = "rollout", batch: int = 32, **options: Any
) -> np.ndarray:
    """Returns how much each cell of each image counts for the model, by one of `METHODS`: (B, h, w), or by head.

    `images` is (B, H, W, C) as the model takes them, of which `batch` are computed at once; `model` one, or the name of
    one with its weights, such as "vit-b16:augreg_in21k_ft_in1k", which is built for their size. The methods and their
    options:

    - "raw", block=: attention in one block (a tap such as "attention_3", by default the last) of the token that
      the head reads, or where it reads the mean of all cells the mean over these: (B, heads, h, w), as it is.
    - "dino", mass=: the class token's attention in the last block, (B, heads, h, w), each map summing to 1; with
      `mass` only the fewest cells that hold so much are kept, the rest is 0 (Caron et al. 2021, arXiv 2104.14294).
    - "rollout", discard=: attention multiplied through all blocks, 0.5 A + 0.5 I averaged over heads, each map
      summing to 1 (Abnar and Zuidema 2020, arXiv 2005.00928); `discard` leaves out that share of the entries of each
      matrix, the smallest.
    - "gradient", target=: the same with I + mean over heads of relu(dy/dA * A), of a class y (Chefer et al. 2021,
      ICCV, arXiv 2103.15679), each map summing to 1 unless nothing speaks for the class.
    - "gradcam", layer=, target=: relu of the channels of a layer weighted by their mean gradients (Selvaraju et al.
      2017, arXiv 1610.02391), by default of the last layer whose cells reach the head and have more than one place.
    - "occlusion", patch=, value=, target=: by how much the probability of the class falls as a patch of so many
      pixels is painted over (Zeiler and Fergus 2014, arXiv 1311.2901).

    `target` is a class or one for each image, by default the one the model finds likeliest.
    Raises ValueError for a method that the model doesn't offer, saying why and which it does.

    >>> maps = keras_vit.analysis.attention(model, images, "rollout")
    >>> maps.shape  # a number for each patch of each image
    (12, 4, 4)
    >>> keras_vit.analysis.attention(model, images, "gradcam", target=3).shape
    (12, 4, 4)
    """
    model, images = model_and_images(model, images)
    if method not in METHODS:
        raise ValueError(f"method is one of {', '.join(METHODS)}, not {method!r}; {model.name} offers {_offer(model)}")
    missing = NEEDS[method](model)
    if missing:
        raise ValueError(f"{method!r} won't do for {model.name}: {missing}; it offers {_offer(model)}")
    known = list(inspect.signature(METHODS[method]).parameters)[2:]
    for name in options:
        if name not in known:
            raise ValueError(f"{method!r} has no option {name!r}; it has {', '.join(known)}")
    found, target = [], options.get("target")
    for start in range(0, len(images), check_batch(batch)):
        some = slice(start, start + batch)
        if np.shape(target) == (len(images),):  # type: ignore[arg-type]  # of anything, None too
            options["target"] = np.asarray(target)[some]
        found.append(METHODS[method](model, images[some], **options))
    return np.concatenate(found)


def methods(model: keras.Model | str) -> list[str]:
    """Returns the names of the methods that `attention` offers for `model`.

    >>> keras_vit.analysis.methods(model)
    ['raw', 'dino', 'rollout', 'gradient', 'gradcam', 'occlusion']
    """
    model = model_of(model)
    return [name for name in METHODS if not NEEDS[name](model)]


def raw(model: keras.Model, images: np.ndarray, block: str | None = None) -> np.ndarray:
    """Returns one block's attention on the cells, (B, heads, h, w)."""
    names = flow.attention_names(model)
    if block is not None and block not in names:
        raise ValueError(f"block is one of {', '.join(names)}, not {block!r}")
    (chosen,) = flow.attending(model, images, [block or names[-1]])
    matrix = chosen.matrices(flow.tapped_matrices(model, images, [chosen]))
    cells = chosen.grid[0] * chosen.grid[1]
    if chosen.places is not None:
        real = chosen.places >= 0
        received = np.where(real[:, None, :, None], matrix, 0).sum(axis=3) / cells  # (B, windows, heads, N)
        seen = np.zeros((*matrix.shape[:1], matrix.shape[2], cells))
        seen[:, :, chosen.places[real]] = np.moveaxis(received, 2, 1)[:, :, real]
    else:
        prefix, read = matrix.shape[-1] - cells, flow.reading(model)
        of_token = prefix and read.pool == "token"
        seen = matrix[..., read.token, prefix:] if of_token else matrix[..., prefix:, prefix:].mean(axis=2)
    return seen.reshape(*seen.shape[:2], *chosen.grid)


def dino(model: keras.Model, images: np.ndarray, mass: float | None = None) -> np.ndarray:
    """Returns the class token's attention in the last block by head, (B, heads, h, w)."""
    if mass is not None and not 0 < mass <= 1:
        raise ValueError(f"mass is above 0 and at most 1, not {mass!r}")
    (block,) = flow.attending(model, images, flow.attention_names(model)[-1:])
    matrix = block.matrices(flow.tapped_matrices(model, images, [block]))
    seen = matrix[:, :, 0, -block.grid[0] * block.grid[1] :]
    seen = seen / seen.sum(axis=-1, keepdims=True)
    if mass is not None:
        order = np.argsort(-seen, axis=-1, kind="stable")
        largest = np.take_along_axis(seen, order, axis=-1)
        before = np.cumsum(largest, axis=-1) - largest
        kept = np.empty(seen.shape, bool)
        np.put_along_axis(kept, order, before < mass, axis=-1)
        seen = np.where(kept, seen, 0.0)
    return seen.reshape(*seen.shape[:2], *block.grid)


def rollout(model: keras.Model, images: np.ndarray, discard: float = 0.0) -> np.ndarray:
    """Returns the product over blocks of 0.5 A + 0.5 I as the head reads it, (B, h, w)."""
    if not 0 <= discard < 1:
        raise ValueError(f"discard is a share from 0 to below 1, not {discard!r}")
    blocks = flow.attending(model, images)
    tapped = flow.tapped_matrices(model, images, blocks)
    fused = [_discarded(each.matrices(tapped).mean(axis=-3), discard) for each in blocks]
    return _share(flow.follow(model, blocks, fused, 0.5, 0.5, normalise=discard > 0))


def gradient(model: keras.Model, images: np.ndarray, target: int | Sequence[int] | None = None) -> np.ndarray:
    """Returns the attention that speaks for a class, followed through all blocks, (B, h, w)."""
    model, _ = of_logits(model)
    logits = ops.convert_to_numpy(logits_of(model(images, training=False)))
    blocks = flow.attending(model, images)
    tapped = flow.tapped_matrices(model, images, blocks)
    matrices = [each.matrices(tapped) for each in blocks]
    shapes = {each.block.name: matrix.shape for each, matrix in zip(blocks, matrices, strict=True)}
    slopes = logit_gradients(model, images, target_of(logits, target), matrices=shapes)
    fused = [
        np.maximum(slopes[each.block.name] * matrix, 0).mean(axis=-3)
        for each, matrix in zip(blocks, matrices, strict=True)
    ]
    seen = flow.follow(model, blocks, fused, 1.0, 1.0)
    # where the head reads the mean of all cells, each of them stands for itself too, alike for every class
    itself = flow.follow(model, blocks, [np.zeros_like(each) for each in fused], 1.0, 1.0)
    return _share(np.maximum(seen - itself, 0))


def _discarded(matrices, discard):
    """Returns matrices without that share of each image's entries, the smallest."""
    flat = matrices.reshape(len(matrices), -1).copy()
    count = int(flat.shape[1] * discard)
    np.put_along_axis(flat, np.argsort(flat, axis=1, kind="stable")[:, :count], 0.0, axis=1)
    return flat.reshape(matrices.shape)


def _share(maps):
    total = maps.sum(axis=(-2, -1), keepdims=True)
    return np.divide(maps, total, out=np.zeros_like(maps), where=total > 0)


def _offer(model):
    return ", ".join(methods(model)) or "none of them"


def _needs_attention(model):
    return None if flow.attention_names(model) else "it has no attention"


def _needs_reading(model):
    return _needs_attention(model) or (None if heads.reading(model) else flow.UNSAID)


def _needs_token(model):
    named = any(layer.name == "class_token" for layer in model.layers)
    return None if named and not _needs_attention(model) else "it has no class token that attends"


def needs_distributions(model: keras.Model) -> str | None:
    """Returns why the rows of the attention of `model` are no shares, None where they are."""
    if any(getattr(getattr(layer, "attention", None), "talking_heads", False) for layer in model.layers):
        return "the rows of its talking heads are no shares"
    return _needs_attention(model)


def _needs_flow(model):
    return needs_distributions(model) or _needs_reading(model)


def _needs_logits(model):
    if logits_of(model.output) is None:
        return "it has no head that tells classes"
    try:
        of_logits(model)
    except ValueError as error:
        return str(error)
    return None


def _needs_both(model):
    return _needs_logits(model) or _needs_reading(model)


def _needs_map(model):
    return _needs_logits(model) or (None if saliency.has_map(model) else "none of its layers has a map")


METHODS: dict[str, Callable] = {
    "raw": raw,
    "dino": dino,
    "rollout": rollout,
    "gradient": gradient,
    "gradcam": saliency.gradcam,
    "occlusion": saliency.occlusion,
}
NEEDS = {  # why a method won't do for a model, None where it will
    "raw": _needs_reading,
    "dino": _needs_token,
    "rollout": _needs_flow,
    "gradient": _needs_both,
    "gradcam": _needs_map,
    "occlusion": _needs_logits,
}
