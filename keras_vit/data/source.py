"""A source of encoded images and of what is known of each."""

import contextlib
import dataclasses
from collections.abc import Callable, Iterator, Mapping

import numpy as np
import tensorflow as tf

from keras_vit.data.skipping import DataError, Recorder
from keras_vit.data.targets import Target

SPLITS = ("train", "validation", "test")


@dataclasses.dataclass(frozen=True)
class Source:
    """Encoded images in the splits "train", "validation" and "test".

    `targets` maps the names of what is known of each image to their Target; it is empty where nothing is.
    `channels` is 1 (grey) or 3 (RGB), `sizes` maps each split to its number of examples. `read(split, seed)` gives the
    examples in an order; where `load` is not None it gives them without "image", and `load(example)` adds it, so that
    a file that can't be read is skipped as one that can't be decoded is. `ids(split)`, where it is not None, cheaply
    names the examples of a split in their order, by the "id" of each, so that a run can tell whether the images are
    still those that it began with. `classes(split)`, where it is not None, cheaply gives the number of the class of
    each in their order, or None where too much would have to be read for it.
    """

    name: str
    targets: Mapping[str, Target]
    channels: int
    sizes: Mapping[str, int]
    read: Callable[[str, int | tf.Tensor | None], tf.data.Dataset] = dataclasses.field(repr=False)
    ids: Callable[[str], tuple[str, ...]] | None = dataclasses.field(default=None, repr=False)
    load: Callable[[dict[str, tf.Tensor]], dict[str, tf.Tensor]] | None = dataclasses.field(default=None, repr=False)
    classes: Callable[[str], np.ndarray | None] | None = dataclasses.field(default=None, repr=False)
    recorder: Recorder = dataclasses.field(init=False, repr=False)

    def __post_init__(self):
        object.__setattr__(self, "recorder", Recorder(self.name, self.sizes))

    @property
    def labels(self) -> tuple[str, ...]:
        """The names of the classes in the order of their numbers; DataError where images have no class."""
        if "label" not in self.targets:
            raise DataError(f"the images of {self.name} have no class; {_held(self.targets)}")
        return self.targets["label"].names

    def examples(self, split: str, seed: int | tf.Tensor | None = None) -> tf.data.Dataset:
        """Returns a tf.data.Dataset of dicts of scalars: "image", encoded bytes, "id", a string, and each target.

        The order is always the same; with `seed`, an int64 that may be a tensor, it is the shuffled one of
        that seed. Raises DataError for an unknown split.
        """
        rows = self.rows(split, seed)
        return rows if self.load is None else rows.map(self.load, num_parallel_calls=tf.data.AUTOTUNE)

    def rows(self, split: str, seed: int | tf.Tensor | None = None) -> tf.data.Dataset:
        """Returns `examples` before `load`."""
        if split not in self.sizes:
            raise DataError(f"no split {split!r}; {self.name} has {', '.join(map(repr, self.sizes))}")
        return self.read(split, seed)

    @property
    def skipped(self) -> list[str]:
        """The ids of the images met so far that could not be decoded."""
        return self.recorder.skipped

    @contextlib.contextmanager
    def stopping_clearly(self) -> Iterator["Source"]:
        """Within it, a pipeline that stops for too many corrupt images raises its DataError.

        Outside, TensorFlow delivers that error wrapped into a tf.errors.OpError with a traceback as text.
        """
        try:
            yield self
        except tf.errors.OpError as error:
            if self.recorder.failure is None:
                raise
            raise self.recorder.failure from error


def _held(targets):
    return f"known of each is {', '.join(targets)}" if targets else "nothing is known of them"
