"""Mixup and cutmix: batches whose images and labels are mixed, batch by batch, from a seed and the step's number."""

import tensorflow as tf

from keras_vit.data.skipping import DataError

_KEY = -1  # where the pipeline's own seeds have an epoch, which is never negative


def mix(batches, classes, *, mixup=0.8, cutmix=1.0, switch=0.5, seed=0, first_step=0):
    """Turns batches of (images, labels int (B,)) into (images, soft labels float32 (B, classes)).

    Each batch is mixed with itself in reverse order. Its share is drawn from Beta(alpha, alpha), where alpha
    is `mixup` (Zhang et al. 2018, arXiv 1710.09412) or, in a share `switch` of the batches, `cutmix` (Yun et
    al. 2019, arXiv 1905.04899). With an alpha of 0 the other alone is used; with both, labels only turn soft.
    Batch i is a pure function of (`seed`, `first_step` + i), so that a resumed training, which gives the number
    of the step it goes on from, sees what one never stopped would have seen. Keras' layers MixUp and
    CutMix draw from counters of their own, and can't be resumed.
    """
    if mixup < 0 or cutmix < 0 or not 0 <= switch <= 1:
        raise DataError(f"mixup={mixup!r} and cutmix={cutmix!r} are at least 0, switch={switch!r} from 0 to 1")
    if classes < 2:
        raise DataError(f"classes={classes!r}; mixed labels need at least 2")
    if not (mixup and cutmix):
        switch = 1.0 if cutmix else 0.0

    @tf.autograph.experimental.do_not_convert
    def change(step, batch):
        images, labels = batch
        labels = tf.one_hot(labels, classes)
        if not (mixup or cutmix):
            return images, labels
        key = tf.random.fold_in(tf.constant([seed, _KEY], "int64"), step)
        which, other = tf.unstack(tf.random.split(key, 2))
        images, share = tf.cond(
            tf.random.stateless_uniform((), which) < switch,
            lambda: _cutmix(images, cutmix or 1.0, other),
            lambda: _mixup(images, mixup or 1.0, other),
        )
        return images, share * labels + (1 - share) * labels[::-1]

    numbered = batches.enumerate(first_step)
    return numbered.map(change, num_parallel_calls=tf.data.AUTOTUNE).prefetch(tf.data.AUTOTUNE)


def _mixup(images, alpha, seed):
    """Returns the images blended with their partners, and the share that is their own."""
    share = _beta(alpha, seed)
    return share * images + (1 - share) * images[::-1], share


def _cutmix(images, alpha, seed):
    """Returns the images with one box cut from their partners, and the share of pixels that is their own.

    The box has the proportions of the image and its centre anywhere, so that the border may cut it.
    """
    height, width = images.shape[1:3]
    share, place = tf.unstack(tf.random.split(seed, 2))
    side = tf.sqrt(1 - _beta(alpha, share))
    y, x = tf.unstack(tf.random.stateless_uniform((2,), place))
    inside = _within(height, y, side)[:, None] & _within(width, x, side)[None, :]
    own = 1 - tf.reduce_mean(tf.cast(inside, "float32"))
    return tf.where(inside[None, :, :, None], images[::-1], images), own


def _within(length, centre, share):
    """Returns which of `length` pixels lie within a stretch of `share` of them around `centre`, a share too."""
    size = tf.floor(length * share)
    start = tf.floor(centre * length) - size // 2
    pixels = tf.range(length, dtype="float32")
    return (pixels >= start) & (pixels < start + size)


def _beta(alpha, seed):
    """Draws from Beta(alpha, alpha)."""
    # float64: of a small alpha both numbers would round to 0 in float32
    one, two = tf.unstack(tf.random.stateless_gamma((2,), seed, tf.constant(alpha, "float64"), dtype="float64"))
    return tf.cast(tf.math.divide_no_nan(one, one + two), "float32")
