"""The one class that puts right what Keras' own trainer gets wrong under tf.distribute."""

import contextlib

import keras

from keras_vit.backend import load
from keras_vit.training.callbacks import alone

tf = load("tensorflow")


class Trainer(keras.Model):
    """Trains the graph of `model`, whose layers it shares, to the same numbers on any devices.

    Each step takes the gradient of a batch in `accumulate` parts, one after the other, and scales it down to the
    global norm `clip_norm` at most. With `sam` the gradient is that at the worst point within so far of the weights:
    sharpness-aware minimisation, Foret et al. 2021 (arXiv 2010.01412). It is made for the time of training inside
    the scope of the strategy, and never saved: save `model`. Without a strategy it leaves Keras' loop alone.
    """

    def __init__(self, model, accumulate=1, clip_norm=None, sam=None):
        super().__init__(alone(model.inputs), alone(model.outputs), name=model.name)
        self.accumulate = accumulate
        self.clip_norm = clip_norm
        self.sam = sam

    def compile(self, *args, **kwargs):
        super().compile(*args, **kwargs)
        if self.clip_norm is not None:
            _clip_after_reduction(getattr(self.optimizer, "inner_optimizer", self.optimizer), self.clip_norm)

    def train_step(self, data):
        """Keras' own step, or the mean gradient of `accumulate` parts of it, or that gradient at a point nearby.

        `gradient_accumulation_steps` of Keras' optimizers fails under MirroredStrategy, which can't merge inside
        the tf.cond that they need; and it counts parts as steps, so that schedules run too fast.
        """
        if self.accumulate == 1 and self.sam is None:
            return super().train_step(data)
        gradients, logs = self._mean_gradients(data, self._gradients)
        if self.sam is not None:
            place = self._worst_nearby(gradients)
            gradients, _ = self._mean_gradients(data, lambda part: (self._gradients_at(place, part), None))
        self.optimizer.apply_gradients(zip(gradients, self.trainable_weights, strict=True))
        return logs

    def _mean_gradients(self, data, gradients_of):
        total = logs = None
        for part in range(self.accumulate):
            # one after the other: TensorFlow would else keep the activations of all parts at once
            with tf.control_dependencies(total or []):
                # every n-th image, so that a part holds the same images however many devices share them
                some = keras.tree.map_structure(lambda each, i=part: each[i :: self.accumulate], data)
            gradients, logs = gradients_of(some)
            total = [a + b for a, b in zip(total, gradients, strict=True)] if total else gradients
        return [each / self.accumulate for each in total], logs

    def _gradients(self, data):
        x, y, weight = keras.utils.unpack_x_y_sample_weight(data)
        with tf.GradientTape() as tape:
            predicted = self(x, training=True)
            loss = self._compute_loss(x=x, y=y, y_pred=predicted, sample_weight=weight, training=True)
            scaled = self.optimizer.scale_loss(loss)
        gradients = tape.gradient(scaled, self.trainable_weights, unconnected_gradients="zero")
        replicas = tf.distribute.get_replica_context().num_replicas_in_sync  # each has its share of the loss
        self._loss_tracker.update_state(loss * replicas, sample_weight=tf.shape(keras.tree.flatten(x)[0])[0])
        logs = self.compute_metrics(x, y, predicted, sample_weight=weight)
        return [tf.convert_to_tensor(each) for each in gradients], logs

    def _worst_nearby(self, gradients):
        """Returns the weights moved by `sam` along the gradient of the whole batch, that of all devices."""
        context = tf.distribute.get_replica_context()
        if context.num_replicas_in_sync > 1:
            gradients = context.all_reduce("SUM", gradients)
        step = self.sam / (tf.linalg.global_norm(gradients) + 1e-12)
        return [w + tf.cast(g, w.dtype) * step for w, g in zip(self.trainable_weights, gradients, strict=True)]

    def _gradients_at(self, place, data):
        """Returns the gradients where the trainable weights are the tensors `place`, changing no variable.

        No device may assign to a mirrored variable on its own, and statistics of batch normalisation are those of
        the first pass.
        """
        x, y, weight = keras.utils.unpack_x_y_sample_weight(data)
        others = [each.value for each in self.non_trainable_variables]
        with tf.GradientTape() as tape:
            tape.watch(place)
            predicted, _ = self.stateless_call(place, others, x, training=True)
            loss = self._compute_loss(x=x, y=y, y_pred=predicted, sample_weight=weight, training=True)
            scaled = self.optimizer.scale_loss(loss)
        gradients = tape.gradient(scaled, place, unconnected_gradients="zero")
        return [tf.convert_to_tensor(each) for each in gradients]

    def test_step(self, data):
        """Keras' own step, unless this device has no share of the last batch: some kernels fail on 0 images."""
        if self._distribute_strategy is None:
            return super().test_step(data)
        images = tf.shape(keras.tree.flatten(data)[0])[0]
        return tf.cond(images > 0, lambda: keras.Model.test_step(self, data), self.get_metrics_result)

    def _maybe_symbolic_build(self, iterator=None, data_batch=None):
        """Builds loss and metrics from this device's share of a batch.

        Keras takes the mean over the shares, which MultiWorkerMirroredStrategy can't outside a tf.function and
        no strategy can where the shares differ in size.
        """
        strategy = self._distribute_strategy
        if strategy is None:
            return
        if iterator is not None:
            _, _, batches = next(iter(iterator))
            data_batch = keras.tree.map_structure(
                lambda each: strategy.experimental_local_results(each)[0], next(batches)
            )
        with strategy.scope():
            self._symbolic_build(data_batch=data_batch)

    def _make_function(self, step_function):
        """Runs `steps_per_execution` steps; the numbers of the last one are means over all devices.

        Keras' own function reduces numbers along an axis that they don't have where there are several workers,
        and with several steps has a tf.function inside a loop, where collectives lose their inputs.
        """
        strategy, steps = self._distribute_strategy, self.steps_per_execution
        if strategy is None:
            return super()._make_function(step_function)
        looped = steps if step_function == self.train_step else 1
        step_function = tf.autograph.experimental.do_not_convert(step_function)

        @tf.function(reduce_retracing=True)
        def execute(iterator):
            with _as_one_device(self._flatten_layers()):
                if looped > 1:
                    for _ in tf.range(looped - 1):
                        strategy.run(step_function, args=(next(iterator),))
                logs = strategy.run(step_function, args=(next(iterator),))
            return keras.tree.map_structure(lambda each: strategy.reduce("MEAN", each, axis=None), logs)

        def execute_all(iterator):
            """Evaluation may end within an execution, and its numbers count nevertheless."""
            logs = execute(iterator)
            with contextlib.suppress(tf.errors.OutOfRangeError):
                for _ in range(steps // looped - 1):
                    logs = execute(iterator)
            return logs

        return execute_all


@contextlib.contextmanager
def _as_one_device(layers):
    """While a step is traced: batch normalisation sees all devices, and each device draws its own random numbers.

    Both hold for the traced graph alone and not for the layers, so that a saved model doesn't know of it.
    """
    with contextlib.ExitStack() as changes:
        for layer in layers:
            if isinstance(layer, keras.layers.BatchNormalization):
                changes.enter_context(_replaced(layer, "synchronized", True))
            for generator in getattr(layer, "_seed_generators", ()):
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


def _clip_after_reduction(optimizer, norm):
    """Makes `optimizer` clip the sum of all devices' gradients; Keras' global_clipnorm clips each device's own."""
    reduce = optimizer._all_reduce_sum_gradients

    def reduce_and_clip(pairs):
        reduced, variables = zip(*reduce(pairs), strict=True)
        return list(zip(tf.clip_by_global_norm(reduced, norm)[0], variables, strict=True))

    optimizer._all_reduce_sum_gradients = reduce_and_clip


@contextlib.contextmanager
def _replaced(owner, name, value):
    before = getattr(owner, name)
    setattr(owner, name, value)
    try:
        yield
    finally:
        setattr(owner, name, before)
