"""Measures a model on a split of the data."""

from collections.abc import Callable

import keras

from keras_vit import data
from keras_vit.training import loop
from keras_vit.training.context import Training
from keras_vit.training.devices import strategy
from keras_vit.training.options import chosen
from keras_vit.training.totals import Totals


class Evaluation:
    """Measures a model on a split by `metrics`, those of the task unless given, if it has any."""

    def __init__(
        self,
        training: Training,
        model: keras.Model,
        split: str,
        metrics: dict[str, keras.metrics.Metric] | None = None,
    ) -> None:
        options, devices = training.options, training.devices
        with devices.scope():
            self.metrics = options.task.metrics(training.source, split) if metrics is None else metrics
        self.cut_short = False
        if self.metrics is None:
            return
        self._totals = Totals(devices, self.metrics)
        self._function = loop.make_test_function(options.task, model, self._totals)
        batch = strategy.evaluation_batch(devices, chosen(options.optim.batch_size))
        decode = options.task.example(options, training.source, training.learner, training=False)
        self._batches = data.evaluation_batches(training.source, split, decode, batch)

    def measure(
        self, callbacks: keras.callbacks.Callback | None = None, stop: Callable[[], bool] = lambda: False
    ) -> dict[str, float]:
        """Returns the numbers, or none; `cut_short` says whether `stop()` ended it."""
        if self.metrics is None:
            return {}

        def stopped():
            self.cut_short = self.cut_short or stop()
            return self.cut_short

        return loop.evaluate(self._function, self._totals, self._batches, callbacks, stopped)
