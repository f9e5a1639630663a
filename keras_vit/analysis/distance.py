"""How far each head looks: the mean distance over which it attends."""

import keras
import numpy as np
from keras import ops

from keras_vit.analysis import flow
from keras_vit.analysis.attention import needs_distributions
from keras_vit.analysis.cells import check_batch, model_and_images
from keras_vit.analysis.watching import watched
from keras_vit.keras_internals import call_node
from keras_vit.layers import PatchEmbed
from keras_vit.taps import reduced


def attention_distance(
    model: keras.Model | str, images: np.ndarray, renormalize: bool = False, batch: int = 32
) -> dict[str, np.ndarray]:
    """Returns {attention tap: (heads,)}: how many pixels a cell is from what it attends to, weighted by attention.

    Dosovitskiy et al. 2021 (arXiv 2010.11929), appendix D.7, and Raghu et al. 2021 (arXiv 2108.08810), section 5: the
    mean over all cells and `images` (B, H, W, C), between the centres of cells. Tokens before the patches have no
    place: they don't ask, and what goes to them, or to padding of windows, counts as no distance, which brings
    heads that park their attention there near 0; with `renormalize` the rest is made to sum to 1 first.
    Raises ValueError for a model without attention, and for talking heads, whose rows are no shares.

    >>> {tap: heads.shape for tap, heads in keras_vit.analysis.attention_distance(model, images).items()}
    {'attention_0': (1,), 'attention_1': (1,)}
    """
    (model, images), batch = model_and_images(model, images), check_batch(batch)
    distances = _distances(model, images)

    def measure(name, matrix):
        matrix = ops.convert_to_numpy(ops.cast(matrix, "float32"))
        return _mean(matrix if matrix.ndim == 5 else matrix[:, None], distances[name], renormalize).sum(axis=0)

    run = reduced(model, list(distances), measure)
    found = [run(images[i : i + batch]) for i in watched(range(0, len(images), batch), "attention distance")]
    return {name: sum(each[name] for each in found) / len(images) for name in distances}


def uniform_attention_distance(
    model: keras.Model | str, images: np.ndarray, renormalize: bool = False
) -> dict[str, float]:
    """Returns {attention tap: pixels}, the `attention_distance` of heads that see alike all that their block lets them.

    Of `images` (B, H, W, C) only the size counts.

    >>> even = keras_vit.analysis.uniform_attention_distance(model, images)
    >>> {tap: round(pixels, 1) for tap, pixels in even.items()}
    {'attention_0': 15.1, 'attention_1': 15.1}
    """
    (model, images), found = model_and_images(model, images), {}
    blocks = {each.name: each for each in _blocks(model, images)}
    for name, distances in _distances(model, images).items():
        block = blocks[name]
        seen = np.ones(distances.shape) if block.places is None else ~block.block.attention.apart(block.grid)
        matrix = (seen / seen.sum(axis=-1, keepdims=True))[None, :, None]
        found[name] = float(_mean(matrix, distances, renormalize)[0, 0])
    return found


def _blocks(model, images):
    missing = needs_distributions(model)
    if missing:
        raise ValueError(f"{model.name} has no attention distance: {missing}; take a model such as a ViT or a Swin")
    return flow.attending(model, images)


def _distances(model, images):
    """Returns {attention tap: (windows, N, N)}, pixels between the tokens of each window, NaN where one has no place.

    Where all tokens meet, that is one window.
    """
    found, step, grid = {}, None, None
    for each in _blocks(model, images):
        # a stage merges 2 x 2 cells, or pads first: so many pixels, whatever the sizes divide to
        step = _patch(model, images) if grid is None else step * np.ceil(np.divide(grid, each.grid))
        grid = each.grid
        places, cells = each.places, grid[0] * grid[1]
        if places is None:
            places = np.concatenate([np.full(each.prefix, -1), np.arange(cells)])[None]
        pixels = np.stack(np.divmod(places, grid[1]), axis=-1) * step
        between = np.linalg.norm(pixels[:, :, None] - pixels[:, None], axis=-1)
        real = places >= 0
        found[each.name] = np.where(real[:, :, None] & real[:, None], between, np.nan)
    return found


def _patch(model, images):
    """Returns how many pixels (down, right) the first tokens are apart."""
    embed = [layer for layer in model.layers if isinstance(layer, PatchEmbed)][-1]
    size = flow.grid_of(model, call_node(model, embed).arguments.args[0], images)
    return np.array(embed.patch) * np.array(images.shape[1:3]) // size


def _mean(matrix, distances, renormalize):
    """Returns the mean distance for matrices (B, windows, heads, N, N), in float64, (B, heads)."""
    known = ~np.isnan(distances)
    asking = known.any(axis=-1)  # (windows, N)
    far = np.einsum("bwhqk,wqk->bhwq", matrix, np.where(known, distances, 0))
    if renormalize:
        share = np.einsum("bwhqk,wqk->bhwq", matrix, known.astype("float64"))
        far = np.divide(far, share, out=np.zeros_like(far), where=share > 0)
    return far[:, :, asking].mean(axis=-1)
