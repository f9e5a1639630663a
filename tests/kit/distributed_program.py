"""Trains one small network on as many devices or processes as asked, and writes down what came out.

python distributed_program.py one|mirrored|multiworker FOLDER [HOST:PORT,… INDEX]
"""

import contextlib
import sys
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf
from toy import Toy, fit

from keras_vit.layers.residual import DropPath
from keras_vit.training import loop
from keras_vit.training.devices import strategy
from keras_vit.training.totals import Totals

APART = ("clipped", "steps")  # what "all" joins: each alone on one device and in two processes, to save time
THREE = ("plain", "all")  # what more than two processes compute: it differs in how a batch is cut alone
BATCH, STEPS, HELD_OUT = 12, 6, 25  # a last batch of 1 image leaves all devices but one without any
CASES = {
    "plain": {},
    "clipped": {"clip_norm": 0.2},
    "steps": {"steps_per_execution": 2},
    "all": {"gradient_accumulation": 2, "clip_norm": 0.2, "steps_per_execution": 3},
    "adamw": {"optimizer": lambda: keras.optimizers.AdamW(), "clip_norm": 0.2},
    "bfloat16": {"clip_norm": 0.2},
    "sam": {"gradient_accumulation": 2, "sam": 0.1, "optimizer": lambda: sgd(use_ema=True, ema_momentum=0.75)},
}


def cross_entropy(target, logits):
    return keras.losses.sparse_categorical_crossentropy(target, logits, from_logits=True)


def accuracy(target, logits):
    return keras.ops.cast(keras.ops.argmax(logits, -1) == keras.ops.cast(target, "int32"), "float32")


TASK = Toy(cross_entropy, accuracy)


def network(normalised=True):
    """Convolution, batch normalisation and dense layers."""
    inputs = keras.Input((7, 5, 3))
    x = keras.layers.Conv2D(6, 3)(inputs)
    if normalised:
        x = keras.layers.BatchNormalization(momentum=0.9)(x)
    x = keras.layers.Dense(5, "gelu")(keras.layers.Flatten()(x))
    return keras.Model(inputs, keras.layers.Dense(4, dtype="float32")(x))


def sgd(**options):
    return keras.optimizers.SGD(0.05, momentum=0.9, weight_decay=0.01, **options)


def batches():
    """Returns the data sets to train on, to measure on, and of a single image."""
    rng = np.random.default_rng(11)
    n = BATCH * STEPS
    x = rng.normal(size=(n + HELD_OUT, 7, 5, 3)).astype("float32")
    y = rng.integers(0, 4, len(x))
    options = tf.data.Options()
    options.experimental_distribute.auto_shard_policy = tf.data.experimental.AutoShardPolicy.DATA
    parts = (slice(n), slice(n, None), slice(1))
    examples = [{"image": x[p], "target": y[p]} for p in parts]
    train, *held_out = (tf.data.Dataset.from_tensor_slices(each).batch(BATCH) for each in examples)
    return [each.with_options(options) for each in (train.repeat(), *held_out)]


def trained(devices, optimizer=sgd, normalised=True, **options):
    """Trains two epochs, always from the same start; returns {name: array} of all weights, slots and numbers."""
    keras.utils.set_random_seed(3)
    with devices.scope():
        model, made = network(normalised), optimizer()
        made.build(model.trainable_variables)
    train, held_out, single = batches()
    history, seen = fit(TASK, model, made, train, 2, STEPS, held_out, devices, **options)
    found = {f"weight_{i}": each.numpy() for i, each in enumerate(model.weights)}
    found |= {f"slot_{i}": each.numpy() for i, each in enumerate(made.variables)}
    found |= {name: np.array(values) for name, values in history.items()}
    with devices.scope():
        totals = Totals(devices, TASK.metrics())
    one = loop.evaluate(loop.make_test_function(TASK, model, totals), totals, single)
    return found | {"told": np.array(seen), "single": np.array(list(one.values()))}


def masks(devices, apart=True):
    """Returns the mean over the devices of what dropout and drop path make of ones, each drawing `apart` or not."""
    with devices.scope():
        inputs = keras.Input((101,))
        model = keras.Model(inputs, DropPath(0.5, seed=5)(keras.layers.Dropout(0.5, seed=7)(inputs)))

    def ones():
        return model(tf.ones((BATCH // devices.num_replicas_in_sync, 101)), training=True)

    @tf.function
    def mean():
        with loop.as_one_device(model, devices) if apart else contextlib.nullcontext():
            return devices.reduce("MEAN", devices.run(ones), axis=None)

    return mean().numpy()


def main(name, folder, workers=None, index=None):
    if name == "mirrored":
        half = tf.config.LogicalDeviceConfiguration()
        tf.config.set_logical_device_configuration(tf.config.list_physical_devices("CPU")[0], [half, half])
    devices = strategy.choose(name, workers, None if index is None else int(index))
    tf.config.experimental.enable_op_determinism()
    count = 1 if workers is None else len(workers.split(","))
    for case, options in CASES.items():
        if (case in APART and name == "mirrored") or (case not in THREE and count > 2):
            continue
        with strategy.precision("bfloat16" if case == "bfloat16" else "float32"):
            np.savez(Path(folder, f"{case}.npz"), **trained(devices, **options))
    np.savez(Path(folder, "masks.npz"), masks=masks(devices))
    if name == "one":
        np.savez(Path(folder, "unnormalised.npz"), **trained(devices, clip_norm=0.2, normalised=False))
    if name == "mirrored":  # what Keras does on its own
        np.savez(Path(folder, "keras_masks.npz"), masks=masks(devices, apart=False))
        clipped = trained(devices, lambda: sgd(global_clipnorm=0.2), normalised=False)
        np.savez(Path(folder, "keras_clipped.npz"), **clipped)


if __name__ == "__main__":
    main(*sys.argv[1:])
