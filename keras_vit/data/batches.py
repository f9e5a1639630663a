"""Batches for training and evaluation; an epoch is a pure function of the seed and its number."""

from collections.abc import Callable, Collection

import tensorflow as tf

from keras_vit.data.skipping import DataError, decode_or_skip
from keras_vit.data.source import Source

Batch = dict[str, tf.Tensor]
Decode = Callable[[dict[str, tf.Tensor], tf.Tensor], Batch]
_MIXING = -1  # where the seeds of an epoch have its number, which is never negative


def steps_per_epoch(source: Source, batch: int) -> int:
    """Returns how many full batches of `batch` training images make an epoch; at least 1."""
    if batch < 1:
        raise DataError(f"batch={batch!r}; a batch has at least 1 image")
    return max(1, source.sizes["train"] // batch)


def evaluation_steps(source: Source, split: str, batch: int) -> int:
    """Returns how many batches `evaluation_batches` gives where no image is corrupt.

    Keras takes the end of a data set of unknown length for an accident and warns, unless it is told this.
    """
    if batch < 1:
        raise DataError(f"batch={batch!r}; a batch has at least 1 image")
    return -(-source.sizes[split] // batch)


def training_batches(
    source: Source,
    decode: Decode,
    batch: int,
    *,
    mix: Callable[[Batch, tf.Tensor], Batch] | None = None,
    repeated_augmentation: int = 1,
    seed: int = 0,
    epochs: int,
    first_epoch: int = 0,
    first_step: int = 0,
    corrupt: Collection[str] = (),
) -> tf.data.Dataset:
    """Returns a tf.data.Dataset of dicts of what `decode` gives, (B, ...), from a step of an epoch on.

    `decode(example, seed)` makes tensors of fixed shapes of one example of the source, as `decoder` does, and
    `mix(batch, seed)` changes a batch, as `mixing` does; both are pure functions. The seed, two int64, belongs to the
    image in its epoch, or to the step.

    Each epoch has `steps_per_epoch(source, batch)` full batches, filled up by starting over where there are
    fewer images. With `repeated_augmentation` each image comes that many times in a row, each time with another seed,
    and an epoch, no longer for that, holds that many times fewer images (Hoffer et al. 2020, arXiv 1901.09335; DeiT
    takes 3).

    The batches from step `first_step` of epoch `first_epoch` on are those of a run that began at 0, if `corrupt` holds
    the ids of the images that it had skipped by then; the images of steps that were done are not decoded.
    Raises DataError for values that make no sense.
    """
    steps, repeats = steps_per_epoch(source, batch), repeated_augmentation
    if repeats < 1:
        raise DataError(f"repeated_augmentation={repeats!r}; an image comes at least 1 time in a row")
    if not 0 <= first_epoch <= epochs:
        raise DataError(f"first_epoch={first_epoch!r} does not lie between 0 and epochs={epochs!r}")
    if not 0 <= first_step <= steps or (first_step and first_epoch == epochs):
        raise DataError(f"first_step={first_step!r} is none of the {steps} steps of epoch {first_epoch} of {epochs}")
    per_epoch, done = steps * batch, first_step * batch

    @tf.autograph.experimental.do_not_convert
    def epoch_of(epoch, done=0):
        tf.random.set_seed(1)  # of this function's graph alone: the user's global seed must not count here
        key = tf.stack([tf.constant(seed, "int64"), epoch])
        order = tf.random.stateless_uniform((), key, minval=None, maxval=None, dtype="int64")
        rows = _numbered(source.rows("train", seed=order), repeats)
        if done:
            rows = _without(corrupt, rows).repeat().skip(done)
        images = decode_or_skip(rows, _seeded(decode, key), source.recorder, "train", source.load)
        return images.repeat().take(per_epoch - done)

    dataset = tf.data.Dataset.range(first_epoch + bool(done), epochs).flat_map(epoch_of)
    if done:
        begun = tf.data.Dataset.range(first_epoch, first_epoch + 1).flat_map(lambda epoch: epoch_of(epoch, done))
        dataset = begun.concatenate(dataset)
    dataset = dataset.apply(tf.data.experimental.assert_cardinality(per_epoch * (epochs - first_epoch) - done))
    dataset = dataset.batch(batch, drop_remainder=True)
    return _finish(dataset if mix is None else _mixed(dataset, mix, seed, first_epoch * steps + first_step))


def evaluation_batches(source: Source, split: str, decode: Decode, batch: int) -> tf.data.Dataset:
    """Returns a tf.data.Dataset of dicts of what `decode` gives of `split`, in order; the last batch may be smaller.

    `decode` is as for `training_batches`; the seed of an image is always the same.
    """
    if batch < 1:
        raise DataError(f"batch={batch!r}; a batch has at least 1 image")
    rows = _numbered(source.rows(split), 1)
    dataset = decode_or_skip(rows, _seeded(decode, tf.zeros(2, "int64")), source.recorder, split, source.load)
    return _finish(dataset.batch(batch))


def _numbered(examples, repeats):
    """Returns the examples with their "row", each `repeats` times in a row with rows that count on."""
    rows = examples.enumerate().map(lambda row, example: {**example, "row": row * repeats})
    return rows.flat_map(_repeated(repeats)) if repeats > 1 else rows


def _seeded(decode, key):
    """Returns `decode` as a function of an example alone, whose seed is made of `key` and its row."""

    def decode_row(example):
        example = dict(example)
        return decode(example, tf.random.fold_in(key, example.pop("row")))

    return decode_row


def _mixed(batches, mix, seed, first_step):
    """Returns the batches changed by `mix`, each by a seed of its step."""

    @tf.autograph.experimental.do_not_convert
    def change(step, batch):
        return mix(batch, tf.random.fold_in(tf.constant([seed, _MIXING], "int64"), step))

    return batches.enumerate(first_step).map(change, num_parallel_calls=tf.data.AUTOTUNE)


def _without(corrupt, rows):
    """Returns the examples `rows` but for those whose id is in `corrupt`, which give no image."""
    if not corrupt:
        return rows
    ids = tf.constant(sorted(corrupt))
    return rows.filter(lambda example: tf.reduce_all(example["id"] != ids))


def _repeated(repeats):
    """Returns a function from an example to the dataset of its copies, whose rows count on."""

    def copies(example):
        return tf.data.Dataset.range(repeats).map(lambda copy: {**example, "row": example["row"] + copy})

    return copies


def _finish(dataset):
    options = tf.data.Options()
    # With several workers each keeps every n-th example; files are fewer than workers in small data sets.
    options.experimental_distribute.auto_shard_policy = tf.data.experimental.AutoShardPolicy.DATA
    return dataset.with_options(options).prefetch(tf.data.AUTOTUNE)
