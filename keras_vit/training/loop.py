"""Steps of training and of evaluation: the same numbers on any devices.

A step is a plain function of a batch; `strategy.run` takes it to the devices. Nothing here knows what is learned: the
task gives the loss and updates its metrics.
"""

import contextlib
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import keras

from keras_vit import keras_internals
from keras_vit.backend import load
from keras_vit.training.task import Batch, Task
from keras_vit.training.totals import Totals

tf = load("tensorflow")


def make_train_function(
    task: Task,
    model: keras.Model,
    optimizer: keras.optimizers.Optimizer,
    totals: Totals,
    *,
    gradient_accumulation: int = 1,
    clip_norm: float | None = None,
    sam: float | None = None,
    steps_per_execution: int = 1,
    jit_compile: bool = False,
) -> Callable[[Iterable[Batch]], dict]:
    """Returns a function that takes `steps_per_execution` batches from an iterator and trains `model` on each.

    It returns the numbers of the epoch so far, means over all devices. Each device computes its share of a batch in
    `gradient_accumulation` parts, one after the other. The gradient of the whole batch, over all devices, is scaled
    down to the global norm `clip_norm`. With `sam` the gradient is taken at the worst point within that distance of
    the weights: sharpness-aware minimisation, Foret et al. 2021 (arXiv 2010.01412). `jit_compile` compiles the step
    by XLA.
    """
    if clip_norm is not None:
        unscaled = getattr(optimizer, "inner_optimizer", optimizer)
        keras_internals.clip_after_reduction(unscaled, lambda all: tf.clip_by_global_norm(all, clip_norm)[0])
    step = _TrainStep(task, model, optimizer, totals, gradient_accumulation, sam)
    step = tf.autograph.experimental.do_not_convert(step)
    step = tf.function(step, jit_compile=True, reduce_retracing=True) if jit_compile else step
    strategy = totals.strategy

    @tf.function(reduce_retracing=True)
    def execute(iterator):
        with as_one_device(model, strategy):
            if steps_per_execution > 1:  # a loop is traced, which takes as long as the step itself, even if it is empty
                for _ in tf.range(steps_per_execution - 1):
                    strategy.run(step, args=(next(iterator),))
            logs = strategy.run(step, args=(next(iterator),))
        return {name: strategy.reduce("MEAN", value, axis=None) for name, value in logs.items()}

    return execute


class _TrainStep:
    def __init__(self, task, model, optimizer, totals, gradient_accumulation, sam):
        self.task, self.model, self.optimizer, self.totals = task, model, optimizer, totals
        self.parts, self.sam = gradient_accumulation, sam

    def __call__(self, batch):
        weights = self.model.trainable_weights
        gradients = self._mean_gradients(batch, lambda part: self._gradients(part, self.model, weights, self.totals))
        if self.sam is not None:
            place = self._worst_nearby(gradients)
            nearby = self._network_at(place)
            gradients = self._mean_gradients(batch, lambda part: self._gradients(part, nearby, place))
        self.optimizer.apply_gradients(zip(gradients, weights, strict=True))
        return self.totals.result()

    def _mean_gradients(self, batch, gradients_of):
        """Keras' `gradient_accumulation_steps` fails under MirroredStrategy and counts parts as steps."""
        total = None
        for part in range(self.parts):
            # one after the other: TensorFlow would else keep the activations of all parts at once
            with tf.control_dependencies(total or []):
                # every n-th example, so that a part holds the same ones however many devices share them
                some = keras.tree.map_structure(lambda each, i=part: each[i :: self.parts], batch)
            gradients = gradients_of(some)
            total = [a + b for a, b in zip(total, gradients, strict=True)] if total else gradients
        return total if self.parts == 1 else [each / self.parts for each in total]

    def _gradients(self, batch, network, weights, totals=None):
        replicas = tf.distribute.get_replica_context().num_replicas_in_sync  # each has its share of the loss
        with tf.GradientTape() as tape:
            if network is not self.model:
                tape.watch(weights)
            loss, outputs = self.task.loss(network, batch, training=True)
            loss = _with_regularisation(loss, self.model)
            scaled = self.optimizer.scale_loss(loss / replicas if replicas > 1 else loss)
        gradients = tape.gradient(scaled, weights, unconnected_gradients="zero")
        if totals is not None:
            update(self.task, totals, batch, loss, outputs)
        return [tf.convert_to_tensor(each) for each in gradients]

    def _worst_nearby(self, gradients):
        """Returns the weights moved by `sam` along the gradient of the whole batch, that of all devices."""
        context = tf.distribute.get_replica_context()
        if context.num_replicas_in_sync > 1:
            gradients = context.all_reduce("SUM", gradients)
        step = self.sam / (tf.linalg.global_norm(gradients) + 1e-12)
        weights = self.model.trainable_weights
        return [w + tf.cast(g, w.dtype) * step for w, g in zip(weights, gradients, strict=True)]

    def _network_at(self, place):
        """Returns the network with the tensors `place` for its trainable weights; no variable changes.

        No device may assign to a mirrored variable on its own, and statistics of batch normalisation are those of the
        first pass.
        """

        def network(*inputs, training):
            others = [each.value for each in self.model.non_trainable_variables]
            return self.model.stateless_call(place, others, *inputs, training=training)[0]

        return network


def make_test_function(task: Task, model: keras.Model, totals: Totals) -> Callable[[Batch], dict]:
    """Returns a function that measures `model` on a batch and returns the numbers so far, means over all devices."""
    strategy = totals.strategy

    def measure(batch):
        loss, outputs = task.loss(model, batch, training=False)
        update(task, totals, batch, _with_regularisation(loss, model), outputs)
        return totals.result()

    @tf.autograph.experimental.do_not_convert
    def step(batch):
        if strategy.num_replicas_in_sync == 1:
            return measure(batch)
        # a device without a share of the last batch: some kernels fail on 0 images
        return tf.cond(_examples(batch) > 0, lambda: measure(batch), totals.result)

    @tf.function(reduce_retracing=True)
    def execute(batch):
        with as_one_device(model, strategy):
            logs = strategy.run(step, args=(batch,))
        return {name: strategy.reduce("MEAN", value, axis=None) for name, value in logs.items()}

    return execute


def evaluate(
    test_function: Callable[[Batch], dict],
    totals: Totals,
    batches: Any,
    callbacks: keras.callbacks.Callback | None = None,
    stop: Callable[[], bool] = lambda: False,
) -> dict[str, float]:
    """Returns the numbers of a test function over all `batches`, or over those before `stop()` was true."""
    callbacks = callbacks or keras.callbacks.Callback()
    totals.reset()
    callbacks.on_test_begin()
    for i, batch in enumerate(totals.strategy.experimental_distribute_dataset(batches)):
        callbacks.on_test_batch_begin(i)
        logs = test_function(batch)
        callbacks.on_test_batch_end(i, logs)
        if stop():
            break
    numbers = totals.floats()
    callbacks.on_test_end(numbers)
    return numbers


def update(task: Task, totals: Totals, batch: Batch, loss: Any, outputs: Any) -> None:
    """Adds the mean `loss` of a batch and what the task measures of its outputs to `totals`."""
    totals.loss.update_state(loss, sample_weight=_examples(batch))
    task.update(totals.metrics, batch, outputs)


@contextlib.contextmanager
def as_one_device(model: keras.Model, strategy: Any) -> Iterator[None]:
    """While a step is traced: batch normalisation sees all devices, and each device draws its own random numbers.

    Both hold for the traced graph alone and not for the layers, so that a saved model doesn't know of it.
    """
    with contextlib.ExitStack() as changes:
        for layer in keras_internals.flat_layers(model) if strategy.num_replicas_in_sync > 1 else ():
            if isinstance(layer, keras.layers.BatchNormalization):
                changes.enter_context(_replaced(layer, "synchronized", True))
            for generator in keras_internals.seed_generators(layer):
                changes.enter_context(_replaced(generator, "next", _own_draws(generator.next)))
        yield


def _own_draws(draw):
    """Adds the number of the device to the seeds that `draw` gives: Keras gives all devices the same masks.

    The counters stay alike on all devices, so the state of any device is the state of all.
    """

    def own(ordered=True):
        device = tf.distribute.get_replica_context().replica_id_in_sync_group
        seed = draw(ordered)
        return seed + tf.cast(tf.stack([device, 0]), seed.dtype)

    return own


def _with_regularisation(loss, model):
    return loss + tf.add_n(model.losses) if model.losses else loss


def _examples(batch):
    return tf.shape(keras.tree.flatten(batch)[0])[0]


@contextlib.contextmanager
def _replaced(owner, name, value):
    before = getattr(owner, name)
    setattr(owner, name, value)
    try:
        yield
    finally:
        setattr(owner, name, before)
