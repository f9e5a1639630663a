"""What would fill each weight of a model, compared before a number of the file is read."""

import functools
import math
import re
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import keras
import numpy as np

from keras_vit.heads import HEADS
from keras_vit.weights.adapt import adapt, adaptation
from keras_vit.weights.prefixes import Reading, readings
from keras_vit.weights.report import Report, Row
from keras_vit.weights.sources import Source
from keras_vit.weights.suggest import families_of
from keras_vit.weights.tensors import SPARE, CheckpointError, Tensor, converted

_NORM = keras.layers.LayerNormalization(name="fc_norm")


class Owned(NamedTuple):
    """A weight, its layer, and its place among the layer's own weights."""

    weight: Any
    layer: keras.layers.Layer
    place: int


class _Filled(NamedTuple):
    """A weight of ours, the tensors of theirs that fill it, and what makes one array of them."""

    owned: Owned
    names: tuple[str, ...]
    make: Callable | None


class Plan:
    """What would fill each weight if the tensors, in a `reading`, were named as `source` says; None is ourselves.

    Tensors beginning as in `leave`, or filling weights that do, aren't needed.
    """

    def __init__(
        self,
        model: keras.Model,
        source: tuple[str, Source | None],
        owned: Sequence[Owned],
        reading: Reading,
        tensors: dict[str, Tensor],
        leave: tuple[str, ...],
    ):
        self.model, (self.name, self.source), self.tensors, self.reading = model, source, tensors, reading
        self.names = reading.names if self.source is None else self.source.plain(reading.names)
        self.owned = owned
        self.left = [each for each in owned if each.weight.path.startswith(leave)]
        self.filled: list[_Filled] = []
        self.missing: dict[str, str] = {}  # our paths, and what would fill them
        used = self._assign()
        beside = self._end_of_head().union(*(self._layer(start) for start in leave))
        self.unused: list[str] = []  # theirs, as the file calls them
        self.spare: list[str] = []
        for name, stands in self.names.items():
            if name not in used and not self._ignores(name):
                spare = name in beside or name.startswith(leave) or stands.startswith(leave) or self._of_others(name)
                (self.spare if spare else self.unused).append(stands)
        self.unknown = [start for start in leave if not self._knows(start)]

    def _assign(self):
        """Finds what fills each weight, and returns the names of theirs that our weights use."""
        used, left = set(), {id(each.weight) for each in self.left}
        for each in self.owned:
            candidates = self._candidates(each)
            fitting = (one for one in candidates if all(name in self.names for name in one[0]))
            names, make = next(fitting, candidates[0])
            used.update(names)
            if id(each.weight) in left:
                continue
            if any(name not in self.names for name in names):
                sought = (", ".join(name for name in one if name not in self.names) for one, _ in candidates)
                self.missing[each.weight.path] = " or ".join(sought)
            else:
                self.filled.append(_Filled(each, tuple(self.names[name] for name in names), make))
        return used

    def _candidates(self, each):
        if self.source is not None:
            return self.source.candidates(each.weight.path, each.layer)
        layer = each.weight.path.rpartition("/")[0]
        inside = layer.removeprefix(f"{self.model.name}/")  # a Sequential calls its layers after itself
        return [((f"{name}:{each.place}",), None) for name in dict.fromkeys((layer, inside))]

    def _layer(self, name):
        """Returns what the tensors of a layer `name` would be called, which the model may lack."""
        if self.source is None:
            return set()
        paths = [f"{name}/{leaf}" for leaf in ("kernel", "bias")]
        return {theirs for path in paths for names, _ in self.source.candidates(path, None) for theirs in names}

    def _end_of_head(self):
        """Returns what the tensors of the norm that begins a head would be called, where the model has no head."""
        if any(map(self.has, HEADS)):
            return set()
        if self.source is None:
            return {"fc_norm:0", "fc_norm:1"}
        paths = ("fc_norm/gamma", "fc_norm/beta")
        return {theirs for path in paths for names, _ in self.source.candidates(path, _NORM) for theirs in names}

    def _knows(self, start):
        """Tells whether anything, ours or theirs, begins with `start` or belongs to a layer called so."""
        ours = (each.weight.path for each in self.owned)
        known = any(name.startswith(start) for name in (*ours, *self.names, *self.names.values()))
        return known or not self._layer(start).isdisjoint(self.names)

    def _ignores(self, name):
        if self.source is None:
            return re.search(r"seed_generator[_\d]*:\d+$", name) is not None
        return self.source.ignores(name)

    def _of_others(self, name):
        return self.source is not None and self.source.is_of_others(name)

    @property
    def left_over(self) -> int:
        return len(self.missing) + len(self.unused)

    def fits(self) -> bool:
        return not self.left_over and not self.misfits

    def has(self, head: str) -> bool:
        """Tells whether the model has the layer `head`."""
        return any(each.weight.path.startswith(f"{head}/") for each in self.owned)

    def fills(self, head: str) -> bool:
        """Tells whether the model's layer `head` gets tensors of the file."""
        return any(each.owned.weight.path.startswith(f"{head}/") for each in self.filled)

    def fits_a_head(self) -> bool:
        """Tells whether one of the model's heads is wholly in the file."""
        wrong = {path.partition("/")[0] for path in (*self.misfits, *self.missing)}
        return any(self.fills(head) and head not in wrong for head in HEADS)

    def filling(self) -> list:
        """Returns what each weight is made of, and how."""
        layout = self.source and self.source.layout
        return [(each.owned.weight.path, each.names, each.make, layout) for each in self.filled]

    def classes_of_file(self) -> int | None:
        """Returns how many classes the head of the file tells apart; None where it has no head."""
        names = [self.names[name] for name in self._names_of(f"{HEADS[0]}/bias", 1) if name in self.names]
        return self.tensors[names[0]].size if names else None

    def _names_of(self, path, place):
        """Returns what the weight `path` of a head might be called, the one at `place` of its layer."""
        if self.source is None:
            return [f"{path.partition('/')[0]}:{place}"]
        return [name for names, _ in self.source.candidates(path, None) for name in names]

    @functools.cached_property
    def misfits(self) -> dict[str, str]:
        """{our path: why what is there can't fill it}, from shapes and types alone."""
        return {each.owned.weight.path: why for each in self.filled if (why := self._misfit(each)) is not None}

    def _misfit(self, each):
        weight, shape = each.owned.weight, tuple(each.owned.weight.shape)
        dtype = keras.backend.standardize_dtype(weight.dtype)
        tensors = [self.tensors[name] for name in each.names]
        for name, tensor in zip(each.names, tensors, strict=True):
            if not tensor.holds(dtype):
                return f"{weight.path} is {dtype}, {name} is {tensor.dtype}"
        theirs = " and ".join(str(tensor.shape) for tensor in tensors)
        if sum(tensor.size for tensor in tensors) <= 4 * int(np.prod(shape)) + SPARE:
            try:  # arrays that take no memory
                array = self._made(each, [np.broadcast_to(np.float32(0), tensor.shape) for tensor in tensors])
            except (ValueError, IndexError) as error:  # of what a publisher never has, such as a table without axes
                return f"{weight.path}: {error}"
            if adaptation(each.owned.layer, weight.path, array.shape, shape) is not None:
                return None
            theirs = str(array.shape)
        return f"{weight.path} is {shape}, {', '.join(each.names)} is {theirs}"

    def _made(self, each, arrays):
        if self.source is None:
            return arrays[0]
        weight = each.owned.weight
        leaf = weight.path.rpartition("/")[2]
        return self.source.array(tuple(weight.shape), each.owned.layer, leaf, arrays, each.make)

    def carry_out(self, path: str) -> Report:
        """Assigns all weights and returns the Report, or raises with the list of what doesn't fit."""
        misfits = self.misfits
        if self.missing or self.unused or misfits:
            raise CheckpointError(self._complaint(path, {"another shape or type": misfits}))
        ready, wrong = [], {}
        for each in self.filled:
            arrays = [self.tensors[name].array(name, path) for name in each.names]
            weight, shape = each.owned.weight, tuple(each.owned.weight.shape)
            array = self._made(each, arrays)
            action = adaptation(each.owned.layer, weight.path, array.shape, shape) or ""
            try:
                value = converted(adapt(each.owned.layer, array, shape), keras.backend.standardize_dtype(weight.dtype))
            except ValueError as error:
                wrong[weight.path] = f"{', '.join(each.names)} {error}"
                continue
            ready.append((weight, value, Row(weight.path, shape, ", ".join(each.names), action)))
        if wrong:
            raise CheckpointError(self._complaint(path, {"numbers that no weight has": wrong}))
        for weight, value, _ in ready:
            weight.assign(value)
        rows = [row for *_, row in ready]
        rows += [Row(w.path, tuple(w.shape), "", "left as it was") for w in (each.weight for each in self.left)]
        return Report(path, self.name, rows, self.classes_of_file(), self._notes())

    def _notes(self):
        notes = []
        if self.reading.taken:
            notes.append(f"the prefix {self.reading.prefix!r} of its names is taken off")
        grid = next((each for each in self.filled if self._may_be_square(each)), None)
        if grid is not None:
            height, width, _ = grid.owned.weight.shape
            taken = f"its {height * width} positions are taken as {height}x{width}"
            notes.append(f"{taken}; pass square=True if they fill a square")
        if self.spare:
            more = f" and {len(self.spare) - 6} more" if len(self.spare) > 6 else ""
            notes.append(f"not needed: {', '.join(self.spare[:6])}{more}")
        return tuple(notes)

    def _may_be_square(self, each):
        """Tells whether positions that fill our grid could as well be those of a square one."""
        if getattr(each.make, "square", True) or len(each.owned.weight.shape) != 3:
            return False
        height, width, _ = each.owned.weight.shape
        return height != width and math.isqrt(height * width) ** 2 == height * width

    def _complaint(self, path, wrong):
        taken = f", without the prefix {self.reading.prefix!r}" if self.reading.taken else ""
        parts = [f"{path!r} doesn't fit {self.model.name} (taken as {self.name} names{taken}):"]
        titles = {
            "no tensor for": [f"{ours} (sought as {theirs})" for ours, theirs in self.missing.items()],
            "no weight for": self.unused,
            **{title: list(misfits.values()) for title, misfits in wrong.items()},
        }
        for title, lines in titles.items():
            if lines:
                parts.append(f"  {title} ({len(lines)}):" + "".join(f"\n    {line}" for line in lines))
        if self.source is not None and len(self.missing) > len(self.filled):
            fitting = families_of([reading.names for reading in readings(self.tensors, ())])
            parts.append(f"  its names are those of: {', '.join(fitting) or 'no family that is known'}")
        return "\n".join(
            parts + self._hints({path.partition("/")[0] for misfits in wrong.values() for path in misfits})
        )

    def _hints(self, misfits):
        lacking = {path.partition("/")[0] for path in self.missing}
        if (lacking | misfits) & set(HEADS) == {HEADS[1]}:
            return ["  for a file of one head build the model with distillation='head'"]
        heads = {self.names.get(name) for head in HEADS for name in self._names_of(f"{head}/kernel", 0)}
        if misfits & set(HEADS) or {*HEADS, "fc_norm"} >= lacking > set() or heads & set(self.unused):
            classes = self.classes_of_file()
            theirs = f"one of {classes} classes, which build(…, classes={classes}) has" if classes else "none"
            return [f"  its head is {theirs}; for a head of your own pass leave='head', or to build its classes"]
        return []
