"""How alike two networks represent the same images, layer by layer: minibatch centred kernel alignment."""

import numpy as np
from keras import ops

from keras_vit.analysis.similarity import Similarity
from keras_vit.taps import list_taps, tap

KERNELS = ("linear", "rbf")


class MinibatchCKA:
    """Accumulates CKA between layers of two models over minibatches, in float64.

    Nguyen, Raghu and Kornblith 2021 (arXiv 2010.15327), equation 3: the unbiased HSIC of Song et al. 2012 is averaged
    over minibatches, numerator and both denominators for themselves. What is kept are three small arrays,
    whatever the number of images. `kernel` "rbf" is exp(-d² / (2 s²)) with s `bandwidth` times the median distance
    within the minibatch (Kornblith et al. 2019, arXiv 1905.00414).
    """

    def __init__(self, rows, columns, kernel="linear", bandwidth=1.0):
        if kernel not in KERNELS:
            raise ValueError(f"kernel is one of {', '.join(KERNELS)}, not {kernel!r}")
        if not bandwidth > 0:
            raise ValueError(f"bandwidth is a positive multiple of the median distance, not {bandwidth!r}")
        self.kernel = kernel
        self.bandwidth = bandwidth
        self.batches = 0
        self.across = np.zeros((rows, columns))
        self.first = np.zeros(rows)
        self.second = np.zeros(columns)

    def update(self, first, second):
        """Takes the representations of one minibatch, one array (n, ...) a layer, of either model.

        Raises ValueError for fewer than 4 images, of which the estimator has no value.
        """
        counts = {len(each) for each in (*first, *second)}
        if len(counts) != 1 or min(counts) < 4:
            raise ValueError(f"a minibatch is the same 4 images or more for every layer, not {sorted(counts)}")
        count = counts.pop()
        one, other = (np.stack([self._gram(each).ravel() for each in side]) for side in (first, second))
        scale = 1.0 / (count * (count - 3))
        self.across += scale * one @ other.T
        self.first += scale * np.einsum("ij,ij->i", one, one)
        self.second += scale * np.einsum("ij,ij->i", other, other)
        self.batches += 1

    def result(self):
        """Returns CKA (rows, columns); it is unbiased, so what is independent may lie a little below 0.

        Raises ValueError where a layer gave the same for all images of every minibatch, and before any minibatch.
        """
        if not self.batches:
            raise ValueError("no minibatch was taken yet")
        for side in (self.first, self.second):
            if not (side > 0).all():
                raise ValueError(f"layers {np.flatnonzero(side <= 0).tolist()} tell no image from another")
        return self.across / np.sqrt(self.first[:, None] * self.second)

    def _gram(self, features):
        """Returns the U-centred Gram matrix of one layer's representations (n, ...)."""
        x = np.asarray(features, "float64").reshape(len(features), -1)
        x = x - x.mean(axis=0)  # HSIC doesn't change, but a mean of 100 would eat the digits of the products
        gram = x @ x.T
        if self.kernel == "rbf":
            squares = np.diag(gram)
            distances = np.maximum(squares[:, None] + squares - 2 * gram, 0)
            median = np.median(distances[np.triu_indices(len(x), 1)])
            gram = np.exp(-distances / (2 * self.bandwidth**2 * (median or 1.0)))
        return _u_centred(gram)


def _u_centred(gram):
    """Returns a Gram matrix with a diagonal of 0 and rows and columns that sum to 0 (Székely and Rizzo 2014)."""
    count = len(gram)
    gram = gram - np.diag(np.diag(gram))
    means = gram.sum(axis=0) / (count - 2)
    means -= means.sum() / (2 * (count - 1))
    gram = gram - means[:, None] - means
    np.fill_diagonal(gram, 0)
    return gram


def compare(
    first, second, images, *, layers=(None, None), second_images=None, batch=64, kernel="linear", bandwidth=1.0
):
    """Returns the CKA of every pair of taps of two models on the same images, as a Similarity, in one pass.

    `images` is an array (count, H, W, C), or an iterable of minibatches: arrays, or {"image", "id"}. Models that take
    images of different size or normalisation get `second_images`, of the same images: then both must be minibatches
    with "id", which are compared. `layers` names the taps of either model, by default its blocks, stages,
    norms and head. A last minibatch of another size is left out, for the average over minibatches would give its
    images another weight. Raises ValueError where the models don't see the same images.
    """
    names = [_taps(model, chosen) for model, chosen in zip((first, second), layers, strict=True)]
    tapped = [tap(model, chosen) for model, chosen in zip((first, second), names, strict=True)]
    same = first is second and names[0] == names[1] and second_images is None
    cka = MinibatchCKA(len(names[0]), len(names[1]), kernel, bandwidth)
    size = None
    for one, other in _pairs(images, second_images, batch):
        size = size or len(one)
        if len(one) != size:
            continue
        found = [_values(tapped[0], one, names[0])]
        found.append(found[0] if same else _values(tapped[1], other, names[1]))
        cka.update(*found)
    return Similarity(tuple(names[0]), tuple(names[1]), cka.result(), (first.name, second.name))


def _taps(model, chosen):
    """Returns the taps of `model` to compare: `chosen`, or the outputs of its layers."""
    if chosen is not None:
        return [chosen] if isinstance(chosen, str) else list(chosen)
    layers = {layer.name for layer in model.layers}
    return [name for name in list_taps(model) if name in layers and name not in ("head", "head_dist", "logits")]


def _values(tapped, images, names):
    found = tapped(images, training=False)
    return [ops.convert_to_numpy(ops.cast(found[name], "float32")) for name in names]


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
