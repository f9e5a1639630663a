"""How alike two networks represent the same images, layer by layer: minibatch centred kernel alignment."""

from collections.abc import Iterable, Sequence
from typing import Any

import keras
import numpy as np
from keras import ops

from keras_vit.analysis.cells import check_batch, check_images, layers_before_head
from keras_vit.analysis.numbers import positive_number, whole_number
from keras_vit.analysis.similarity import Similarity
from keras_vit.analysis.watching import watched
from keras_vit.models import model_of
from keras_vit.taps import reduced

KERNELS = ("linear", "rbf")
_COLUMNS = 2**16  # of features that exist in float64 at once


class MinibatchCKA:
    """Accumulates CKA between layers of two models over minibatches, in float64.

    Nguyen, Raghu and Kornblith 2021 (arXiv 2010.15327), equation 3: the unbiased HSIC of Song et al. 2012 is averaged
    over minibatches, numerator and both denominators for themselves. What is kept are three small arrays,
    whatever the number of images. `kernel` "rbf" is exp(-d² / (2 s²)) with s `bandwidth` times the median distance
    within the minibatch (Kornblith et al. 2019, arXiv 1905.00414).

    >>> summed = keras_vit.analysis.MinibatchCKA(rows=1, columns=2)
    >>> features = np.random.default_rng(0).normal(size=(16, 5))
    >>> summed.update([features], [2 * features + 1, np.ones((16, 3))])
    >>> summed.result(undefined=0).round(2)
    array([[1., 0.]])
    """

    def __init__(self, rows: int, columns: int, kernel: str = "linear", bandwidth: float = 1.0):
        if kernel not in KERNELS:
            raise ValueError(f"kernel is one of {', '.join(KERNELS)}, not {kernel!r}")
        self.kernel = kernel
        self.bandwidth = positive_number("bandwidth", bandwidth, "a positive multiple of the median distance")
        self.batches = 0
        self.across = np.zeros((rows, columns))
        self.first = np.zeros(rows)
        self.second = np.zeros(columns)

    def update(self, first: Iterable[np.ndarray], second: Iterable[np.ndarray]) -> None:
        """Takes the representations of one minibatch, one array (n, ...) a layer, of either model.

        Raises ValueError for fewer than 4 images, of which the estimator has no value.
        """
        self.update_grams([self.gram(each) for each in first], [self.gram(each) for each in second])

    def update_grams(self, first: Sequence[np.ndarray], second: Sequence[np.ndarray]) -> None:
        """Takes what `gram` makes of each layer, (n, n), so that the representations needn't all exist at once."""
        counts = {len(each) for each in (*first, *second)}
        if len(counts) != 1:
            raise ValueError(f"a minibatch is the same images for every layer, not {sorted(counts)}")
        count = counts.pop()
        one, other = (np.stack([each.ravel() for each in side]) for side in (first, second))
        scale = 1.0 / (count * (count - 3))
        self.across += scale * one @ other.T
        self.first += scale * np.einsum("ij,ij->i", one, one)
        self.second += scale * np.einsum("ij,ij->i", other, other)
        self.batches += 1

    def result(self, undefined: float | None = None) -> np.ndarray:
        """Returns CKA (rows, columns); it is unbiased, so what is independent may lie a little below 0.

        A layer that gave the same for all images of every minibatch has none: `undefined` takes its place, or
        ValueError is raised, as it is before any minibatch.
        """
        if not self.batches:
            raise ValueError("no minibatch was taken yet")
        for side in (self.first, self.second):
            if undefined is None and not (side > 0).all():
                raise ValueError(f"layers {np.flatnonzero(side <= 0).tolist()} tell no image from another")
        scale = np.sqrt(self.first[:, None] * self.second)
        blank = np.full(scale.shape, np.nan if undefined is None else undefined, "float64")
        return np.divide(self.across, scale, out=blank, where=scale > 0)

    def gram(self, features: np.ndarray) -> np.ndarray:
        """Returns the U-centred Gram matrix (n, n) of one layer's representations (n, ...) of one minibatch.

        Raises ValueError for fewer than 4 images, of which the estimator has no value.
        """
        if len(features) < 4:
            raise ValueError(f"a minibatch is 4 images or more, not {len(features)}")
        gram = _products(np.asarray(features).reshape(len(features), -1))
        if self.kernel == "rbf" and gram.any():  # where all rows are alike any bandwidth is 0
            squares = np.diag(gram)
            distances = np.maximum(squares[:, None] + squares - 2 * gram, 0)
            median = np.median(distances[np.triu_indices(len(gram), 1)])
            gram = np.exp(-distances / (2 * self.bandwidth**2 * (median or 1.0)))
        return _u_centred(gram)


def _products(features):
    """Returns the products of each two rows of `features` (n, D), without the mean row, in float64."""
    gram = np.zeros((len(features),) * 2)
    for i in range(0, features.shape[1], _COLUMNS):
        x = features[:, i : i + _COLUMNS].astype("float64")
        # HSIC doesn't change, but a mean of 100 would eat the digits of the products; rows that are all alike leave 0
        x -= x[:1].copy()
        x -= x.mean(axis=0)
        gram += x @ x.T
    return gram


def _u_centred(gram):
    """Returns a Gram matrix with a diagonal of 0 and rows and columns that sum to 0 (Székely and Rizzo 2014)."""
    count = len(gram)
    gram = gram - np.diag(np.diag(gram))
    means = gram.sum(axis=0) / (count - 2)
    means -= means.sum() / (2 * (count - 1))
    gram = gram - means[:, None] - means
    np.fill_diagonal(gram, 0)
    return gram


def cka(
    first: keras.Model | str,
    second: keras.Model | str,
    images: Any,
    *,
    layers: Sequence[str | Iterable[str] | None] = (None, None),
    second_images: Iterable[Any] | None = None,
    batch: int = 64,
    kernel: str = "linear",
    bandwidth: float = 1.0,
    repeats: int = 1,
    seed: int = 0,
) -> Similarity:
    """Returns the CKA of every pair of taps of two models on the same images, as a Similarity.

    `images` is an array (count, H, W, C), or an iterable of minibatches: arrays, or {"image", "id"}. Models that take
    images of different size or normalisation get `second_images`, of the same images: then both must be minibatches
    with "id", which are compared. `layers` names the taps of either model, by default its blocks, stages,
    norms and head. A last minibatch of another size is left out, for the average over minibatches would give its
    images another weight. With `repeats` that is done so many times, an array shuffled anew by `seed` each time, and
    the mean and the standard deviation are returned; an iterable must shuffle itself.
    No more than the outputs of the layers of one model and the parts of one of its blocks exist at once.
    Raises ValueError where the models don't see the same images, and where repeats see the same minibatches.

    >>> found = keras_vit.analysis.cka(model, other, images, batch=6)
    >>> found.rows, found.columns
    (('embed', 'block_0', 'block_1', 'norm'), ('embed', 'block_0', 'block_1', 'norm'))
    >>> found.values.shape, found.models
    ((4, 4), ('vit-ti16', 'vit-ti16'))
    """
    shape, batch = getattr(images, "shape", None) if second_images is None else None, check_batch(batch)
    repeats = whole_number("repeats", repeats, what="how many times the images are taken")
    built = {each: model_of(each, shape) for each in (first, second)}  # one for the same name
    first, second = built[first], built[second]
    images = check_images(first, images) if hasattr(images, "shape") else images
    names = [
        layers_before_head(model) if chosen is None else [chosen] if isinstance(chosen, str) else list(chosen)
        for model, chosen in zip((first, second), layers, strict=True)
    ]
    models = (first.name, second.name)
    same = first is second and names[0] == names[1] and second_images is None
    found: list[np.ndarray] = []
    start: Any = None
    for order in _orders(images, second_images, batch, repeats, seed):
        summed, size = MinibatchCKA(len(names[0]), len(names[1]), kernel, bandwidth), None
        grams = [_grams(summed, model, each) for model, each in zip((first, second), names, strict=True)]
        pairs = _pairs(images if order is None else images[order], second_images, batch)
        count = -(-len(images) // batch) if hasattr(images, "shape") else None
        for one, other in watched(pairs, f"CKA of {models[0]} and {models[1]}", count):
            if size is None and found and np.array_equal(start, one):
                raise ValueError("a repeat begins with the minibatch of another: shuffle the images anew in each pass")
            size, start = size or len(one), one if start is None else start
            if len(one) == size:
                rows = grams[0](one)
                summed.update_grams(rows, rows if same else grams[1](other))
        found.append(summed.result())
    spread = np.std(found, axis=0, ddof=1) if repeats > 1 else None
    return Similarity(tuple(names[0]), tuple(names[1]), np.mean(found, axis=0), models, spread, repeats)


def _grams(summed, model, names):
    """Returns a function from images to the Gram matrix of each tap, made as soon as the model has computed it."""
    run = reduced(model, names, lambda name, x: summed.gram(ops.convert_to_numpy(ops.cast(x, "float32"))))
    return lambda images: list(run(check_images(model, images)).values())


def _orders(images, second_images, batch, repeats, seed):
    """Yields for each repeat in which order an array of images is taken, None for as it is."""
    if repeats == 1:
        yield None
        return
    for each in (images, second_images):
        if hasattr(each, "__next__"):
            raise ValueError("an iterator has one pass; give what can be iterated over for each of the repeats")
    if hasattr(images, "shape") and len(images) <= batch:
        raise ValueError(f"one minibatch of {batch} holds all {len(images)} images, so repeats can't differ")
    rng = np.random.default_rng(seed)
    for _ in range(repeats):
        yield rng.permutation(len(images)) if hasattr(images, "shape") else None


def _pairs(images, second_images, batch):
    """Yields for each minibatch the images of both models, checked to be the same by id."""
    if second_images is None:
        for each in _minibatches(images, batch):
            yield (each["image"] if isinstance(each, dict) else each,) * 2
        return
    for i, (one, other) in enumerate(zip(_minibatches(images, batch), _minibatches(second_images, batch), strict=True)):
        if not all(isinstance(each, dict) and "id" in each for each in (one, other)):
            raise ValueError('two streams of images are minibatches {"image", "id"}: without an id none can be checked')
        ids = [np.asarray(each["id"]) for each in (one, other)]
        if ids[0].shape != ids[1].shape or (ids[0] != ids[1]).any():
            raise ValueError(f"minibatch {i} holds {ids[0][:3]}... for one model and {ids[1][:3]}... for the other")
        yield one["image"], other["image"]


def _minibatches(images, batch):
    if hasattr(images, "shape"):
        return (images[i : i + batch] for i in range(0, len(images), batch))
    return iter(images)
