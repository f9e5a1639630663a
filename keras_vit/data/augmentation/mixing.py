"""Mixup and cutmix: each batch mixed with itself in reverse order."""

from collections.abc import Callable, Mapping

import tensorflow as tf

from keras_vit.data.skipping import DataError
from keras_vit.data.targets import Target

Batch = dict[str, tf.Tensor]


def mixing(
    targets: Mapping[str, Target], *, mixup: float = 0.8, cutmix: float = 1.0, switch: float = 0.5
) -> Callable[[Batch, tf.Tensor], Batch]:
    """Returns a function of a batch and a seed, as `training_batches` takes it: it mixes images, and `targets` as well.

    Each batch is mixed with itself in reverse order. Its share is drawn from Beta(alpha, alpha), where alpha
    is `mixup` (Zhang et al. 2018, arXiv 1710.09412) or, in a fraction `switch` of the batches, `cutmix` (Yun et
    al. 2019, arXiv 1905.04899). With an alpha of 0 the other alone is used. Classes int (B,) become shares float32
    (B, classes), even where both are 0; masks and depth maps (B, H, W, 1) are pasted by cutmix together with the image.

    Raises DataError for values that make no sense, for mixup of masks or depth maps, and for boxes.
    """
    if mixup < 0 or cutmix < 0 or not 0 <= switch <= 1:
        raise DataError(f"mixup={mixup!r} and cutmix={cutmix!r} are at least 0, switch={switch!r} from 0 to 1")
    for name, target in targets.items():
        _check(name, target, mixup, cutmix)
    classes = {name: len(target.names) for name, target in targets.items() if target.kind == "class"}

    def mix(batch, seed):
        if unknown := batch.keys() - {"image", *targets}:
            raise DataError(f"a batch holds {', '.join(sorted(unknown))}, whose kind mixing isn't told in `targets`")
        batch = batch | {name: tf.one_hot(batch[name], count) for name, count in classes.items()}
        if not (mixup or cutmix):
            return batch
        which, other = tf.unstack(tf.random.split(seed, 2))
        maps = {name: value for name, value in batch.items() if name not in classes}
        if mixup and cutmix:
            cut = tf.random.stateless_uniform((), which) < switch
            maps, share = tf.cond(cut, lambda: _cutmix(maps, cutmix, other), lambda: _mixup(maps, mixup, other))
        else:
            maps, share = _cutmix(maps, cutmix, other) if cutmix else _mixup(maps, mixup, other)
        return maps | {name: share * batch[name] + (1 - share) * batch[name][::-1] for name in classes}

    return mix


def _check(name, target, mixup, cutmix):
    """Raises DataError where a target can't be mixed as asked."""
    if target.kind == "class" and len(target.names) < 2:
        raise DataError(f"classes={len(target.names)}; mixed labels need at least 2")
    if target.kind == "boxes" and (mixup or cutmix):
        raise DataError(f"mixing with {name!r}: the boxes of two images have no mean; give mixup=0 and cutmix=0")
    if target.kind in ("mask", "depth") and mixup:
        raise DataError(f"mixup={mixup!r} with {name!r}: two of kind {target.kind!r} have no mean; give mixup=0")


def _mixup(maps, alpha, seed):
    """Returns the images blended with their partners, and the share that is their own."""
    share = _beta(alpha, seed)
    return {name: share * each + (1 - share) * each[::-1] for name, each in maps.items()}, share


def _cutmix(maps, alpha, seed):
    """Returns the maps with one box cut from their partners, and the share of pixels that is their own.

    The box has the proportions of the image and its centre anywhere, so that the border may cut it.
    """
    height, width = maps["image"].shape[1:3]
    share, place = tf.unstack(tf.random.split(seed, 2))
    side = tf.sqrt(1 - _beta(alpha, share))
    y, x = tf.unstack(tf.random.stateless_uniform((2,), place))
    inside = _within(height, y, side)[:, None] & _within(width, x, side)[None, :]
    own = 1 - tf.reduce_mean(tf.cast(inside, "float32"))
    return {name: tf.where(inside[None, :, :, None], each[::-1], each) for name, each in maps.items()}, own


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
