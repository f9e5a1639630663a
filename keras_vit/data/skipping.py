"""Images that can't be decoded: skipped inside tf.data, named once, and too many of them stop the run."""

import threading
import warnings
from collections.abc import Callable, Mapping

import tensorflow as tf

from keras_vit.data import image_files

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
        self._ids: dict[str, dict[str, str]] = {split: {} for split in self.sizes}
        self._lock = threading.Lock()  # tf.data calls from its own threads

    @property
    def skipped(self) -> list[str]:
        return [each for ids in self._ids.values() for each in ids]

    def record(self, split: str, reasons: Mapping[str, str]) -> None:
        """Warns of each new id of {id: why it fails}; raises DataError, with the list, once `split` has too many."""
        with self._lock:
            if self.failure is not None:  # tf.data reads ahead: what it meets now adds nothing
                raise self.failure
            seen = self._ids[split]
            new = [each for each in reasons if each not in seen]
            seen.update({each: reasons[each] for each in new})
            allowed = max(1, self.sizes[split] // 100)
            if len(seen) > allowed:
                self.failure = DataError(
                    f"{len(seen)} of the {self.sizes[split]} {split} images of {self.name} can't be decoded, "
                    f"and at most {allowed} may be; repair or remove them:\n  "
                    + "\n  ".join(f"{each} {reason}" for each, reason in seen.items())
                )
                raise self.failure
        for each in new:
            warnings.warn(f"skipped {each!r} of {self.name}: it {reasons[each]}", stacklevel=2)


def decode_or_skip(
    examples: tf.data.Dataset,
    decode: Callable[[dict], dict],
    recorder: Recorder,
    split: str,
    load: Callable[[dict], dict] | None = None,
) -> tf.data.Dataset:
    """Maps `decode` in parallel over dicts that hold an "id", leaving out those where it fails, in order.

    `load`, where there is one, reads the "image" of each before.

    `decode` returns a dict of tensors of fixed shapes. The ids that fail go to `recorder`, whose error ends
    the dataset's iteration. Python runs only where one fails.
    """

    load = load or dict

    def block_of(block):
        rows = tf.data.Dataset.from_tensor_slices(block).enumerate()
        good = rows.map(lambda row, example: (row, decode(load(example)))).ignore_errors().batch(BLOCK)
        none = tf.nest.map_structure(lambda spec: tf.zeros((0, *spec.shape[1:]), spec.dtype), good.element_spec)
        first = good.concatenate(tf.data.Dataset.from_tensors(none)).take(1)  # `none` if none is good
        return first.map(lambda rows, decoded: (block, rows, decoded))

    def report(rows, *block):
        block = dict(zip(names, block, strict=True))
        missing = sorted(set(range(len(block["id"]))) - set(rows.tolist()))
        failed = [{name: tf.convert_to_tensor(values[row]) for name, values in block.items()} for row in missing]
        recorder.record(split, {each["id"].numpy().decode(errors="replace"): _reason(each, load) for each in failed})
        return len(missing)

    names = list(examples.element_spec)

    def check(block, rows, decoded):
        complete = tf.size(rows) == tf.size(block["id"])
        given = [rows, *(block[name] for name in names)]
        bad = tf.cond(
            complete,
            lambda: tf.constant(0, "int64"),
            lambda: tf.ensure_shape(tf.numpy_function(report, given, "int64"), ()),
        )
        with tf.control_dependencies([bad]):
            return tf.nest.map_structure(tf.identity, decoded)

    blocks = examples.batch(BLOCK).interleave(block_of, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True)
    return blocks.map(check).unbatch()


def _reason(example, load):
    """Returns why an example was skipped, by reading it once more."""
    try:
        image_files.decode(load(example)["image"], 3)
    except tf.errors.InvalidArgumentError as error:
        return image_files.reason_of(error)
    except tf.errors.OpError as error:
        return f"can't be read: {error.message.rpartition('; ')[2]}"
    return "can't be decoded with what belongs to it"
