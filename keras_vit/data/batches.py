"""Batches for training and evaluation; an epoch is a pure function of the seed and its number."""

import tensorflow as tf

from keras_vit.data.augmentation.names import augmentation
from keras_vit.data.augmentation.policies import erase
from keras_vit.data.skipping import DataError, decode_or_skip


def steps_per_epoch(source, batch):
    """Returns how many full batches of `batch` training images make an epoch; at least 1."""
    if batch < 1:
        raise DataError(f"batch={batch!r}; a batch has at least 1 image")
    return max(1, source.sizes["train"] // batch)


def evaluation_steps(source, split, batch):
    """Returns how many batches `evaluation_batches` gives where no image is corrupt.

    Keras takes the end of a data set of unknown length for an accident and warns, unless it is told this.
    """
    if batch < 1:
        raise DataError(f"batch={batch!r}; a batch has at least 1 image")
    return -(-source.sizes[split] // batch)


def training_batches(
    source,
    preprocessing,
    batch,
    *,
    augment="none",
    erasing=0.0,
    repeats=1,
    seed=0,
    epochs,
    first_epoch=0,
    first_step=0,
    corrupt=(),
):
    """Returns a tf.data.Dataset of (images float32 (B, H, W, C), labels int64 (B,)) from a step of an epoch on.

    Each epoch has `steps_per_epoch(source, batch)` full batches, filled up by starting over where there are
    fewer images. A share `erasing` of the images loses a box to noise. Each image comes `repeats` times in a row,
    each time changed differently, and an epoch, no longer for that, holds so many times fewer images (Hoffer et
    al. 2020, arXiv 1901.09335; DeiT takes 3).

    The batches from step `first_step` of epoch `first_epoch` on are those of a run that began at 0, if `corrupt` holds
    the ids of the images that it had skipped by then; the images of steps that were done are not decoded.
    Raises DataError for an unknown augmentation or values that make no sense.
    """
    steps = steps_per_epoch(source, batch)
    if not 0 <= erasing <= 1 or repeats < 1:
        raise DataError(f"erasing={erasing!r} is a share from 0 to 1, repeats={repeats!r} at least 1")
    if not 0 <= first_epoch <= epochs:
        raise DataError(f"first_epoch={first_epoch!r} does not lie between 0 and epochs={epochs!r}")
    if not 0 <= first_step <= steps or (first_step and first_epoch == epochs):
        raise DataError(f"first_step={first_step!r} is none of the {steps} steps of epoch {first_epoch} of {epochs}")
    change = augmentation(augment)
    per_epoch, done = steps * batch, first_step * batch

    @tf.autograph.experimental.do_not_convert
    def epoch_of(epoch, done=0):
        tf.random.set_seed(1)  # of this function's graph alone: the user's global seed must not count here
        key = tf.stack([tf.constant(seed, "int64"), epoch])
        order = tf.random.stateless_uniform((), key, minval=None, maxval=None, dtype="int64")
        rows = source.examples("train", seed=order).enumerate()
        rows = rows.map(lambda row, example: {**example, "row": row * repeats})
        if repeats > 1:
            rows = rows.flat_map(_repeated(repeats))

        def decode(example):
            image = preprocessing.decode(example["image"])
            own = tf.random.fold_in(key, example["row"])
            image = change(image, preprocessing, own)
            if erasing:
                image = erase(image, tf.random.fold_in(own, 0), erasing)
            return image, example["label"]

        if done:
            rows = _without(corrupt, rows).repeat().skip(done)
        return decode_or_skip(rows, decode, source.recorder, "train").repeat().take(per_epoch - done)

    dataset = tf.data.Dataset.range(first_epoch + bool(done), epochs).flat_map(epoch_of)
    if done:
        begun = tf.data.Dataset.range(first_epoch, first_epoch + 1).flat_map(lambda epoch: epoch_of(epoch, done))
        dataset = begun.concatenate(dataset)
    dataset = dataset.apply(tf.data.experimental.assert_cardinality(per_epoch * (epochs - first_epoch) - done))
    return _finish(dataset.batch(batch, drop_remainder=True))


def evaluation_batches(source, split, preprocessing, batch):
    """Returns a tf.data.Dataset of (images, labels) of `split` in order; the last batch may be smaller."""
    if batch < 1:
        raise DataError(f"batch={batch!r}; a batch has at least 1 image")

    def decode(example):
        return preprocessing(preprocessing.decode(example["image"])), example["label"]

    dataset = decode_or_skip(source.examples(split), decode, source.recorder, split)
    return _finish(dataset.batch(batch))


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
