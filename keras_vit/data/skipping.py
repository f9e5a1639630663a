"""Images that can't be decoded: skipped inside tf.data, named once, and too many of them stop the run."""

import threading
import warnings
from collections.abc import Callable, Iterable, Mapping

import tensorflow as tf

BLOCK = 32  # examples guarded together: many enough to hide the cost of a dataset of their own


class DataError(ValueError):
    """A data set that can't be opened or read; the message says what could be."""


class Recorder:
    """Counts the distinct ids of corrupt images of each split; more than 1 % of a split is a failure.

    One corrupt image is tolerated however small the split is. `failure` holds the DataError that was raised.
    """

    def __init__(self, name: str, sizes: Mapping[str, int]):
        self.name, self.sizes = name, dict(sizes)
        self.failure: DataError | None = None
        self._ids: dict[str, dict[str, None]] = {split: {} for split in self.sizes}
        self._lock = threading.Lock()  # tf.data calls from its own threads

    @property
    def skipped(self) -> list[str]:
        return [each for ids in self._ids.values() for each in ids]

    def record(self, split: str, ids: Iterable[str]) -> None:
        """Warns of each new id of `ids`; raises DataError, with the list, once `split` has too many."""
        with self._lock:
            if self.failure is not None:  # tf.data reads ahead: what it meets now adds nothing
                raise self.failure
            seen = self._ids[split]
            new = [each for each in ids if each not in seen]
            seen.update(dict.fromkeys(new))
            allowed = max(1, self.sizes[split] // 100)
            if len(seen) > allowed:
                self.failure = DataError(
                    f"{len(seen)} of the {self.sizes[split]} {split} images of {self.name} can't be decoded, "
                    f"and at most {allowed} may be; repair or remove them:\n  " + "\n  ".join(seen)
                )
                raise self.failure
        for each in new:
            warnings.warn(f"skipped {each!r} of {self.name}: it can't be decoded as an image", stacklevel=2)


def decode_or_skip(
    examples: tf.data.Dataset, decode: Callable[[dict], dict], recorder: Recorder, split: str
) -> tf.data.Dataset:
    """Maps `decode` in parallel over dicts that hold an "id", leaving out those where it fails, in order.

    `decode` returns a dict of tensors of fixed shapes. The ids that fail go to `recorder`, whose error ends
    the dataset's iteration. Python runs only where one fails.
    """

    def block_of(block):
        rows = tf.data.Dataset.from_tensor_slices(block).enumerate()
        good = rows.map(lambda row, example: (row, decode(example))).ignore_errors().batch(BLOCK)
        none = tf.nest.map_structure(lambda spec: tf.zeros((0, *spec.shape[1:]), spec.dtype), good.element_spec)
        first = good.concatenate(tf.data.Dataset.from_tensors(none)).take(1)  # `none` if none is good
        return first.map(lambda rows, decoded: (block["id"], rows, decoded))

    def report(ids, rows):
        missing = sorted(set(range(len(ids))) - set(rows.tolist()))
        recorder.record(split, [ids[row].decode(errors="replace") for row in missing])
        return len(missing)

    def check(ids, rows, decoded):
        complete = tf.size(rows) == tf.size(ids)
        bad = tf.cond(
            complete,
            lambda: tf.constant(0, "int64"),
            lambda: tf.ensure_shape(tf.numpy_function(report, [ids, rows], "int64"), ()),
        )
        with tf.control_dependencies([bad]):
            return tf.nest.map_structure(tf.identity, decoded)

    blocks = examples.batch(BLOCK).interleave(block_of, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True)
    return blocks.map(check).unbatch()
