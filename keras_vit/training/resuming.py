"""Goes on within an epoch: a `fit` of Keras whose first epoch begins at any of its steps."""

import functools

import keras
import numpy as np

from keras_vit.backend import load

tf = load("tensorflow")


def metrics_reader(model):
    """Returns a function that gives what the metrics of `model` have gathered: a row for each device of all workers.

    Devices add up on their own, and a sum in another order would be rounded in another way. The metrics are built, and
    all workers call the function together.
    """
    strategy, variables = model.distribute_strategy, _metric_variables(model)
    devices = strategy.num_replicas_in_sync

    def rows():
        context = tf.distribute.get_replica_context()
        own = tf.concat([tf.reshape(tf.cast(each, "float64"), [-1]) for each in variables], 0)
        own = tf.one_hot(context.replica_id_in_sync_group, devices, dtype="float64")[:, None] * own
        return context.all_reduce("SUM", own) if devices > 1 else own

    rows = tf.function(rows) if devices > 1 else rows
    return lambda: strategy.experimental_local_results(strategy.run(rows))[0].numpy().tolist()


def restore_metrics(model, rows):
    """Gives the metrics of `model`, which are built, the `rows` of a reader; their sum, on other devices than these."""
    strategy, variables = model.distribute_strategy, _metric_variables(model)
    rows = np.array(rows)
    if len(rows) != strategy.num_replicas_in_sync:
        rows, total = np.zeros((strategy.num_replicas_in_sync, rows.shape[1])), rows.sum(0)
        rows[0] = total

    def scattered():
        numbers = tf.constant(rows)[tf.distribute.get_replica_context().replica_id_in_sync_group]
        parts = tf.split(numbers, [int(np.prod(each.shape)) for each in variables])
        for variable, part in zip(variables, parts, strict=True):
            variable.assign(tf.cast(tf.reshape(part, variable.shape), variable.dtype))

    strategy.run(tf.function(scattered) if len(rows) > 1 else scattered)


def from_step(model, batches, callbacks, progress, **params):
    """Returns batches and callbacks for a `fit` of `model` whose first epoch begins where `progress` stands.

    `batches` begin there. Keras counts the steps that were done once more, but neither trains in them nor calls back,
    so that every number of a step is the right one. `params` are the epochs and the steps of each.
    """
    if not progress.step:
        return batches, callbacks
    if progress.step % (length := model.steps_per_execution):
        raise ValueError(
            f"steps_per_execution {length} does not divide the {progress.step} steps of epoch {progress.epochs + 1} "
            "that are done; 1 does, until the epoch ends"
        )
    model.make_train_function()
    train, done = model.train_function, iter(range(progress.step // length))

    @functools.cache
    def restored():
        model._symbolic_build(data_batch=batches.element_spec)  # else left to the first step, without a strategy
        restore_metrics(model, progress.metrics)
        return model.get_metrics_result()

    model.train_function = lambda iterator: train(iterator) if next(done, None) is None else restored()
    # of a length that is not known, else Keras would take the steps that were done for some of them
    batches = batches.filter(lambda *_: True)
    return batches, _FromStep(progress.step, callbacks, add_history=True, model=model, verbose=0, **params)


class _FromStep(keras.callbacks.CallbackList):
    """Calls back from step `first` of the first epoch on."""

    def __init__(self, first, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self._first = first

    def on_train_batch_begin(self, batch, logs=None):
        if batch >= self._first:
            super().on_train_batch_begin(batch, logs)

    def on_train_batch_end(self, batch, logs=None):
        if batch >= self._first:
            super().on_train_batch_end(batch, logs)

    def on_epoch_end(self, epoch, logs=None):
        self._first = 0
        super().on_epoch_end(epoch, logs)


def _metric_variables(model):
    return [each.value for each in model.metrics_variables]
