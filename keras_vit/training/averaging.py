"""The moving average of the weights that an optimizer keeps, in the place of the weights for a while."""

import contextlib

import keras
from keras import ops


@contextlib.contextmanager
def averaged(model):
    """Gives `model`, while inside, the moving average of its weights that its optimizer keeps, if it keeps one.

    It is what Polyak & Juditsky (1992) average; batch normalisation keeps its own statistics. Nothing of it is
    left afterwards, so a state that is saved outside holds both weights and average. Keras' SwapEMAWeights swaps by
    adding and subtracting, which rounds: weights would come back changed in their last bit.
    """
    optimizer = getattr(model.optimizer, "inner_optimizer", model.optimizer)
    if not optimizer.use_ema:
        yield
        return
    variables = optimizer._trainable_variables
    weights = [ops.convert_to_numpy(each) for each in variables]
    averages = [ops.convert_to_numpy(each) for each in optimizer._model_variables_moving_average]
    _assign(variables, averages)
    try:
        yield
    finally:
        _assign(variables, weights)


class MeasureAverage(keras.callbacks.Callback):
    """Measures the moving average of the weights instead of the weights."""

    def on_test_begin(self, logs=None):
        self._inside = contextlib.ExitStack()
        self._inside.enter_context(averaged(self.model))

    def on_test_end(self, logs=None):
        self._inside.close()


def _assign(variables, values):
    for variable, value in zip(variables, values, strict=True):
        variable.assign(value)
