"""What a linear classifier can read from each layer."""

from collections.abc import Iterable

import keras
import numpy as np
from keras import ops

from keras_vit import backend
from keras_vit.analysis.cells import cells_of, check_batch, check_images, layers_before_head
from keras_vit.analysis.numbers import positive_number, whole_number
from keras_vit.analysis.watching import watched
from keras_vit.models import model_of
from keras_vit.taps import reduced

POOLS = ("mean", "token")


def probe(
    model: keras.Model | str,
    train: tuple[np.ndarray, np.ndarray] | Iterable[tuple[np.ndarray, np.ndarray]],
    test: tuple[np.ndarray, np.ndarray] | Iterable[tuple[np.ndarray, np.ndarray]],
    names: str | Iterable[str] | None = None,
    *,
    shots: int | None = None,
    pool: str = "mean",
    penalty: float = 1.0,
    batch: int = 64,
    seed: int = 0,
) -> dict[str, float]:
    """Returns {tap: accuracy} on `test` of a linear classifier that was fitted to what each tap gives for `train`.

    Regularised least squares to targets of -1 and 1, one for each class, in closed form and float64: scikit-learn's
    RidgeClassifier, on features of mean 0 and deviation 1 in `train`, with `penalty` times the squared coefficients
    (Raghu et al. 2021, arXiv 2108.08810, section 8). `train` and `test` are pairs (images (B, H, W, C), labels
    (B,)) or iterables of such minibatches. `names` are by default the outputs of the layers before the head. Of a map
    or of tokens the `pool` counts, the "mean" of the cells or the first "token", which not every layer has; of
    what has no place the numbers as they are. With `shots` so many images of each class are learned from, drawn by
    `seed`. Raises ValueError for a tap that can't be pooled, and for a class of fewer images than `shots`.

    >>> found = keras_vit.analysis.probe(model, (images, labels), (images, labels), ["embed", "norm"])
    >>> list(found), 0 <= found["norm"] <= 1
    (['embed', 'norm'], True)
    """
    if pool not in POOLS:
        raise ValueError(f"pool is one of {', '.join(POOLS)}, not {pool!r}")
    model = model_of(model, getattr(train[0], "shape", None) if isinstance(train, tuple) else None)
    batch = check_batch(batch)
    shots = (
        None if shots is None else whole_number("shots", shots, what="how many images of each class are learned from")
    )
    penalty = positive_number("penalty", penalty, "a positive weight of the squared coefficients")
    chosen = layers_before_head(model) if names is None else [names] if isinstance(names, str) else list(names)
    known, labels = _features(model, train, chosen, pool, batch, shots, seed)
    unknown, expected = _features(model, test, chosen, pool, batch)
    missing = [name for name in chosen if name not in known]
    if missing and (names is not None or len(missing) == len(chosen)):
        raise ValueError(f"{', '.join(missing)} of {model.name} has no token before its cells; take pool='mean'")
    if len(np.unique(labels)) < 2:
        raise ValueError(f"train holds one class only, {labels[0]}; a classifier needs two")
    return {name: _accuracy(known[name], labels, unknown[name], expected, penalty) for name in known}


def _features(model, data, names, pool, batch, shots=None, seed=0):
    """Returns {tap: pooled features (B, D) in float64}, and the labels (B,), of `data` or `shots` of each class."""
    whole, count = isinstance(data, tuple) and len(data) == 2 and hasattr(data[0], "shape"), None
    if whole:
        images, classes = check_images(model, data[0]), _labels(data[1], len(data[0]))
        rows = np.arange(len(classes)) if shots is None else _draw(classes, shots, seed)
        count = -(-len(rows) // batch)
        data = ((images[some], classes[some]) for some in np.split(rows, range(batch, len(rows), batch)))
    found, seen, given = [], [], None

    def pooled(name, tensor):
        values = ops.convert_to_numpy(ops.cast(tensor, "float32")).astype("float64")
        if values.ndim == 2:
            return values
        prefix, cells = cells_of(model, given, name, values.shape).split(values)
        if pool == "mean":
            return cells.mean(axis=(1, 2))
        return prefix[:, 0] if prefix.shape[1] else None

    run = reduced(model, names, pooled)
    for each in watched(data, "features of the layers", count):
        given, labels = check_images(model, each[0]), _labels(each[1], len(each[0]))
        found.append({name: value for name, value in run(given).items() if value is not None})
        seen.append(labels)
    if not seen:
        raise ValueError("no minibatch was given to learn from or to test on")
    labels = np.concatenate(seen)
    rows = slice(None) if whole or shots is None else _draw(labels, shots, seed)
    return {name: np.concatenate([each[name] for each in found])[rows] for name in found[0]}, labels[rows]


def _labels(labels, count):
    labels = np.asarray(labels)
    if labels.shape != (count,):
        raise ValueError(f"labels are one class for each of {count} images, not {labels.shape}")
    return labels


def _draw(labels, shots, seed):
    """Returns which rows hold `shots` images of each class."""
    rng, drawn = np.random.default_rng(seed), []
    for label, count in zip(*np.unique(labels, return_counts=True), strict=True):
        if not 0 < shots <= count:
            raise ValueError(f"class {label} has {count} images; shots is from 1 to that, not {shots!r}")
        drawn.append(rng.choice(np.flatnonzero(labels == label), shots, replace=False))
    return np.sort(np.concatenate(drawn))


def _accuracy(known, labels, unknown, expected, penalty):
    ridge = backend.load("sklearn.linear_model").RidgeClassifier(alpha=penalty)
    mean, deviation = known.mean(axis=0), known.std(axis=0)
    deviation = np.where(deviation > 0, deviation, 1.0)
    ridge.fit((known - mean) / deviation, labels)
    return float(ridge.score((unknown - mean) / deviation, expected))
