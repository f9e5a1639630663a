"""The moving average of the weights that an optimizer keeps, in the place of the weights for a while."""

import contextlib
from collections.abc import Iterator

import keras
from keras import ops

from keras_vit import keras_internals


@contextlib.contextmanager
def averaged(optimizer: keras.optimizers.Optimizer) -> Iterator[None]:
    """Replaces the weights by their moving average inside the block, if `optimizer` keeps one.

    It is what Polyak & Juditsky (1992) average; batch normalisation keeps its own statistics. Afterwards the weights
    are the same to the last bit, which Keras' SwapEMAWeights, adding and subtracting, does not give.
    """
    if not optimizer.use_ema:
        yield
        return
    weights, averages = zip(*keras_internals.averages(optimizer), strict=True)
    before = [ops.convert_to_numpy(each) for each in weights]
    _assign(weights, [ops.convert_to_numpy(each) for each in averages])
    try:
        yield
    finally:
        _assign(weights, before)


def _assign(variables, values):
    for variable, value in zip(variables, values, strict=True):
        variable.assign(value)
