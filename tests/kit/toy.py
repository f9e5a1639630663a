"""A small task, and a training of it by the loop alone."""

import keras
import tensorflow as tf

from keras_vit.training import loop
from keras_vit.training.totals import Totals


class Toy:
    """Learns "target" from "image" by a loss (target, outputs) -> (B,), measured by one metric."""

    def __init__(self, loss, metric):
        self.loss_of, self.metric = loss, metric

    def loss(self, network, batch, training):
        outputs = network(batch["image"], training=training)
        return tf.reduce_mean(self.loss_of(batch["target"], outputs)), outputs

    def metrics(self):
        return {self.metric.__name__: keras.metrics.MeanMetricWrapper(self.metric)}

    def update(self, metrics, batch, outputs):
        for metric in metrics.values():
            metric.update_state(batch["target"], outputs)


def mae(target, outputs):
    return keras.ops.mean(keras.ops.abs(target - outputs), axis=-1)


REGRESSION = Toy(keras.losses.mean_squared_error, mae)


def fit(task, model, optimizer, batches, epochs, steps, held_out=None, strategy=None, **options):
    """Trains `model` and returns ({name: values by epoch}, the numbers after each execution)."""
    strategy = strategy or tf.distribute.get_strategy()
    with strategy.scope():
        totals, measured = Totals(strategy, task.metrics()), Totals(strategy, task.metrics())
    execute = loop.make_train_function(task, model, optimizer, totals, **options)
    measure = loop.make_test_function(task, model, measured)
    history, seen = {}, []
    iterator = iter(strategy.experimental_distribute_dataset(batches))
    for _ in range(epochs):
        totals.reset()
        for _ in range(0, steps, options.get("steps_per_execution", 1)):
            seen.append([float(each) for each in execute(iterator).values()])
        numbers = totals.floats()
        if held_out is not None:
            numbers |= {f"val_{k}": v for k, v in loop.evaluate(measure, measured, held_out).items()}
        for name, value in numbers.items():
            history.setdefault(name, []).append(value)
    return history, seen
