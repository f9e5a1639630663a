"""How publishers name and lay out the tensors of a family: rename rules, kept beside the family."""

import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import keras
import numpy as np

_NORMS = (keras.layers.LayerNormalization, keras.layers.BatchNormalization, keras.layers.GroupNormalization)


@dataclass(frozen=True)
class Rule:
    """Names what fills the weights whose path begins with `ours`, a regular expression.

    The matched beginning is replaced by `theirs`, a name or a function of the match that returns it;
    several names stand for several tensors. `make` turns them into one array, called with our shape and
    then theirs; without it the layout decides. Rules of the same `ours` are tried in turn. A `make` that
    depends on the model has a method `among` of the shapes of the model's weights, which returns the fitting one.
    """

    ours: str
    theirs: str | Callable | tuple[str, ...]
    make: Callable | None = None


@dataclass(frozen=True, kw_only=True)
class Layout:
    """What a framework calls the weights of a layer, and how it stores them."""

    separator: str
    leaves: dict  # of any layer
    norm_leaves: dict  # of a normalisation
    convert: Callable  # (layer, array) -> array in our order of axes, for kernels


def _torch_kernel(layer, array):
    if array.ndim == 2:
        return array.T
    if isinstance(layer, keras.layers.DepthwiseConv2D):
        return array.transpose(2, 3, 0, 1)
    return array.transpose(2, 3, 1, 0)


_STATISTICS = {"moving_mean": "running_mean", "moving_variance": "running_var"}
TORCH = Layout(
    separator=".",
    leaves={"kernel": "weight", **_STATISTICS},
    norm_leaves={"gamma": "weight", "beta": "bias", **_STATISTICS},
    convert=_torch_kernel,
)
FLAX = Layout(
    separator="/",
    leaves={},
    norm_leaves={"gamma": "scale", "beta": "bias", "moving_mean": "mean", "moving_variance": "var"},
    convert=lambda layer, array: array,
)
TENSORFLOW = replace(FLAX, norm_leaves={})


@dataclass(frozen=True, kw_only=True)
class Source:
    """The names of one publisher's checkpoints of a family: the first rule that matches a weight names its tensors.

    Tensors of theirs that match `ignore` hold no weights (counters, index tables); those that match `others` belong to
    other tasks than classification, and a report names them. Names may begin with one of `bases`, such as "vit.", which
    stands before a backbone within a classifier; rules don't mention it.
    """

    rules: tuple[Rule, ...]
    layout: Layout = TORCH
    ignore: tuple[str, ...] = (r".*num_batches_tracked",)
    others: tuple[str, ...] = ()
    bases: tuple[str, ...] = ()

    def among(self, shapes: dict[str, tuple], square: bool = False) -> "Source":
        """Returns the source as it reads for a model whose weights have the `shapes` {path: shape}.

        `square` says that positions of the publisher fill a square grid, even where as many fill the model's own.
        """
        rules = []
        for rule in self.rules:
            make: Any = rule.make
            if hasattr(make, "among"):
                make = make.among(shapes)
            if square and hasattr(make, "square"):
                make = replace(make, square=True)
            rules.append(replace(rule, make=make))
        return replace(self, rules=tuple(rules))

    def plain(self, names: dict[str, str]) -> dict[str, str]:
        """Returns `names` {as read: as in the file} without the `bases` that they begin with."""
        for base in self.bases:
            shorter = {name.removeprefix(base): stands for name, stands in names.items()}
            names = shorter if len(shorter) == len(names) else names  # a prefix that tells two apart is none
        return names

    def candidates(self, path: str, layer: keras.layers.Layer | None) -> list[tuple[tuple[str, ...], Callable | None]]:
        """Returns each (names of tensors, what makes one of them) that may fill our weight `path` of `layer`."""
        matches = ((rule, re.match(rule.ours, path)) for rule in self.rules)
        first, match = next(((rule, match) for rule, match in matches if match), (None, None))
        if first is None or match is None:
            return [((self._rest(path, layer),), None)]
        rest = self._rest(path[match.end() :], layer)
        found = []
        for rule in self.rules:
            if rule.ours == first.ours:
                theirs = rule.theirs if isinstance(rule.theirs, tuple) else (rule.theirs,)
                starts = (name(match) if callable(name) else match.expand(name) for name in theirs)
                found.append((tuple(start + rest for start in starts), rule.make))
        return found

    def array(
        self,
        shape: tuple[int, ...],
        layer: keras.layers.Layer | None,
        leaf: str,
        arrays: Sequence[np.ndarray],
        make: Callable | None,
    ) -> np.ndarray:
        """Returns the array for our weight `leaf` of `layer` with `shape` from theirs; it may differ in size."""
        if make is not None:
            return make(shape, *arrays)
        (array,) = arrays
        if leaf == "kernel" and array.ndim in (2, 4):
            array = self.layout.convert(layer, array)
        squeezed = tuple(side for side in array.shape if side != 1)
        if array.shape != shape and squeezed == tuple(side for side in shape if side != 1):
            array = array.reshape(shape)
        return array

    def ignores(self, name: str) -> bool:
        return any(re.fullmatch(pattern, name) for pattern in self.ignore)

    def is_of_others(self, name: str) -> bool:
        return any(re.fullmatch(pattern, name) for pattern in self.others)

    def _rest(self, rest, layer):
        start, slash, leaf = rest.rpartition("/")
        leaves = self.layout.norm_leaves if isinstance(layer, _NORMS) else self.layout.leaves
        return (start + slash).replace("/", self.layout.separator) + leaves.get(leaf, leaf)


def prefix_rows(count: int) -> Callable:
    """Returns the `make` of a rule: the first `count` rows of a position table (1, count + N, D)."""
    return lambda shape, table: table.reshape(-1, table.shape[-1])[:count]


def grid_rows(skip: int, after: int = 0, square: bool = False) -> Callable:
    """Returns the `make` of a rule: the grid (h, w, D) of a position table (1, skip + h * w + after, D).

    Rows that fill our own grid are taken for it, any others for a square one, as published ones are. `square` is for
    publishers to whom a square number of rows is a square grid whatever the size of images.
    """
    return _GridRows(skip, after, square)


@dataclass(frozen=True)
class _GridRows:
    skip: int
    after: int
    square: bool = False

    def __call__(self, shape, table):
        rows = table.reshape(-1, table.shape[-1])
        return _grid(shape, rows[self.skip : len(rows) - self.after], self.square)


def rows_after(*paths: str) -> Callable:
    """Returns the `make` of a rule: our rows of a position table, which follow those of our weights `paths`.

    A publisher's one table (1, P + h * w, D) holds the positions of the tokens before the patches, of
    those that have one, and then the grid's; the model tells which it has.
    """
    return _RowsAfter(paths)


@dataclass(frozen=True)
class _RowsAfter:
    paths: tuple[str, ...]
    skip: int = 0
    square: bool = False

    def among(self, shapes):
        return replace(self, skip=sum(shapes[path][0] for path in self.paths if path in shapes))

    def __call__(self, shape, table):
        rows = table.reshape(-1, table.shape[-1])[self.skip :]
        return _grid(shape, rows, self.square) if len(shape) == 3 else rows[: shape[0]]


def _grid(shape, rows, square):
    side = math.isqrt(len(rows))
    if len(rows) == math.prod(shape[:2]) and not (square and side * side == len(rows)):
        return rows.reshape(*shape[:2], -1)
    if side * side != len(rows):
        raise ValueError(f"{len(rows)} positions fill neither a square nor our grid of {shape[0]}x{shape[1]}")
    return rows.reshape(side, side, -1)


def joined(shape: tuple[int, ...], *arrays: np.ndarray) -> np.ndarray:
    """The `make` of a rule: flax's query, key and value, kernels (D, heads, d) or biases (heads, d), in one."""
    rank = len(shape)
    flat = [array.reshape(*array.shape[: rank - 1], -1) for array in arrays]
    return np.concatenate(flat, axis=-1)


def reshaped(shape: tuple[int, ...], array: np.ndarray) -> np.ndarray:
    """The `make` of a rule: the same numbers in our shape, such as flax's output kernel (heads, d, D)."""
    return array.reshape(shape)


def stacked(shape: tuple[int, ...], *arrays: np.ndarray) -> np.ndarray:
    """The `make` of a rule: torch's query, key and value, kernels (out, in) or biases (out,), in one."""
    return np.concatenate(arrays).T
