"""The running numbers of an epoch, which survive a restart in the middle of it."""

from collections.abc import Callable
from typing import Any

import keras
import numpy as np

from keras_vit.backend import load

tf = load("tensorflow")


class Totals:
    """The mean loss and the metrics of a task, gathered by every device of `strategy`.

    `metrics` maps names to Keras metrics made in the strategy's scope, built by their first update. Devices add up on
    their own and are summed only when the numbers are read.
    """

    def __init__(self, strategy: Any, metrics: dict[str, keras.metrics.Metric]) -> None:
        self.strategy = strategy
        with strategy.scope():
            self.loss = keras.metrics.Mean(name="loss")
        self.metrics = metrics
        self._rows: Callable[[], Any] | None = None

    def all(self) -> dict[str, keras.metrics.Metric]:
        return {"loss": self.loss, **self.metrics}

    def reset(self) -> None:
        for metric in self.all().values():
            metric.reset_state()

    def result(self) -> dict:
        """Returns the numbers: of this device inside `strategy.run`, of all of them outside."""
        return {name: metric.result() for name, metric in self.all().items()}

    def floats(self) -> dict[str, float]:
        return {name: float(value) for name, value in self.result().items()}

    def rows(self) -> list[list[float]]:
        """Returns what the metrics have gathered, a row for each device of all workers, who call it together.

        A sum in another order would be rounded in another way, so the devices' parts are kept apart.
        """
        devices = self.strategy.num_replicas_in_sync
        if self._rows is None:
            self._rows = tf.function(self._gathered) if devices > 1 else self._gathered
        rows = self.strategy.run(self._rows)
        return self.strategy.experimental_local_results(rows)[0].numpy().tolist()

    def restore(self, rows: list[list[float]]) -> None:
        """Gives the metrics the `rows` that another process read; their sum if the number of devices has changed."""
        parts, devices = np.array(rows), self.strategy.num_replicas_in_sync
        if len(parts) != devices:
            total = parts.sum(0)
            parts = np.zeros((devices, len(total)))
            parts[0] = total

        def scattered():
            own = tf.constant(parts)[tf.distribute.get_replica_context().replica_id_in_sync_group]
            values = tf.split(own, [int(np.prod(each.shape)) for each in self._variables()])
            for variable, value in zip(self._variables(), values, strict=True):
                variable.assign(tf.cast(tf.reshape(value, variable.shape), variable.dtype))

        self.strategy.run(tf.function(scattered) if devices > 1 else scattered)

    def _variables(self):
        return [variable.value for metric in self.all().values() for variable in metric.variables]

    def _gathered(self):
        context = tf.distribute.get_replica_context()
        own = tf.concat([tf.reshape(tf.cast(each, "float64"), [-1]) for each in self._variables()], 0)
        own = tf.one_hot(context.replica_id_in_sync_group, context.num_replicas_in_sync, dtype="float64")[:, None] * own
        return context.all_reduce("SUM", own) if context.num_replicas_in_sync > 1 else own
