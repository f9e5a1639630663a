"""A source of labelled, encoded images."""

import contextlib
import dataclasses
from collections.abc import Callable

from keras_vit import backend
from keras_vit.data.skipping import DataError, Recorder

SPLITS = ("train", "validation", "test")


@dataclasses.dataclass(frozen=True)
class Source:
    """Labelled images in the splits "train", "validation" and "test".

    `labels` names the classes in the order of their numbers, `channels` is 1 (grey) or 3 (RGB), `sizes` maps
    each split to its number of examples. `read(split, seed)` is what `examples` calls.
    """

    name: str
    labels: tuple
    channels: int
    sizes: dict
    read: Callable = dataclasses.field(repr=False)
    recorder: Recorder = dataclasses.field(init=False, repr=False)

    def __post_init__(self):
        object.__setattr__(self, "recorder", Recorder(self.name, self.sizes))

    def examples(self, split, seed=None):
        """Returns a tf.data.Dataset of {"image": encoded bytes, "label": int64, "id": string} scalars.

        Where the data set has an image called "mask" beside each, such as the place of the object, its encoded bytes
        come too. The order is always the same; with `seed`, an int64 that may be a tensor, it is the shuffled one of
        that seed. Raises DataError for an unknown split.
        """
        if split not in self.sizes:
            raise DataError(f"no split {split!r}; {self.name} has {', '.join(map(repr, self.sizes))}")
        return self.read(split, seed)

    @property
    def skipped(self):
        """The ids of the images met so far that could not be decoded."""
        return self.recorder.skipped

    @contextlib.contextmanager
    def stopping_clearly(self):
        """Within it, a pipeline that stops for too many corrupt images raises its DataError.

        Outside, TensorFlow delivers that error wrapped into a tf.errors.OpError with a traceback as text.
        """
        tf = backend.load("tensorflow")
        try:
            yield self
        except tf.errors.OpError as error:
            if self.recorder.failure is None:
                raise
            raise self.recorder.failure from error
