"""Trains one small network on as many devices or processes as asked, and writes down what came out.

python distributed_program.py one|mirrored|multiworker FOLDER [HOST:PORT,… INDEX]
"""

import json
import os
import sys
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from keras_vit.layers.residual import DropPath
from keras_vit.training.devices import strategy
from keras_vit.training.trainer import Trainer

APART = ("clipped", "steps")  # what "all" joins: each alone on one device and in two processes, to save time
BATCH, STEPS, HELD_OUT = 12, 6, 25  # a last batch of 1 image leaves all devices but one without any
CASES = {
    "plain": {},
    "clipped": {"clip_norm": 0.2},
    "steps": {"steps_per_execution": 2},
    "all": {"accumulate": 2, "clip_norm": 0.2, "steps_per_execution": 3},
    "adamw": {"optimizer": "adamw", "clip_norm": 0.2},
    "bfloat16": {"clip_norm": 0.2},
    "sam": {"accumulate": 2, "sam": 0.1, "optimizer": lambda: sgd(use_ema=True, ema_momentum=0.75)},
}


def network(normalised=True):
    """Convolution, batch normalisation and dense layers."""
    inputs = keras.Input((7, 5, 3))
    x = keras.layers.Conv2D(6, 3)(inputs)
    if normalised:
        x = keras.layers.BatchNormalization(momentum=0.9)(x)
    x = keras.layers.Dense(5, "gelu")(keras.layers.Flatten()(x))
    return keras.Model(inputs, keras.layers.Dense(4)(x))


def sgd(**options):
    return keras.optimizers.SGD(0.05, momentum=0.9, weight_decay=0.01, **options)


def compiled(devices, make=Trainer, steps_per_execution=1, optimizer=None, normalised=True, **options):
    """Returns what `make` makes of the network, compiled in the scope of `devices`, always from the same start."""
    keras.utils.set_random_seed(3)
    with devices.scope():
        model = network(normalised)
        model = make(model, **options) if make is Trainer else make(model.inputs, model.outputs)
        model.compile(
            optimizer=optimizer if isinstance(optimizer, str) else (optimizer or sgd)(),
            loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
            metrics=["accuracy"],
            steps_per_execution=steps_per_execution,
        )
    return model


def batches():
    """Returns the data sets to train on, to measure on, and of a single image."""
    rng = np.random.default_rng(11)
    n = BATCH * STEPS
    x = rng.normal(size=(n + HELD_OUT, 7, 5, 3)).astype("float32")
    y = rng.integers(0, 4, len(x))
    options = tf.data.Options()
    options.experimental_distribute.auto_shard_policy = tf.data.experimental.AutoShardPolicy.DATA
    parts = (slice(n), slice(n, None), slice(1))
    train, *held_out = (tf.data.Dataset.from_tensor_slices((x[p], y[p])).batch(BATCH) for p in parts)
    return [each.with_options(options) for each in (train.repeat(), *held_out)]


class Steps(keras.callbacks.Callback):
    """Keeps the loss and accuracy told after each execution."""

    def on_train_begin(self, logs=None):
        self.told = []

    def on_train_batch_end(self, batch, logs=None):
        self.told.append([float(logs["loss"]), float(logs["accuracy"])])


def trained(model, measured=True):
    """Trains two epochs; returns {name: array} of all weights, optimizer slots and numbers."""
    train, held_out, single = batches()
    steps = Steps()
    fit = {"steps_per_epoch": STEPS, "epochs": 2, "shuffle": False, "verbose": 0, "callbacks": [steps]}
    history = model.fit(train, validation_data=held_out if measured else None, **fit)
    found = {f"weight_{i}": each.numpy() for i, each in enumerate(model.weights)}
    found |= {f"slot_{i}": each.numpy() for i, each in enumerate(model.optimizer.variables)}
    found |= {name: np.array(values) for name, values in history.history.items()}
    found |= {"told": np.array(steps.told)}
    return found | {"single": np.array(model.evaluate(single, verbose=0))} if measured else found


def masks(devices, make=Trainer):
    """Returns the mean over the devices of what dropout and drop path make of ones."""
    with devices.scope():
        inputs = keras.Input((101,))
        model = keras.Model(inputs, DropPath(0.5, seed=5)(keras.layers.Dropout(0.5, seed=7)(inputs)))
        model = make(model) if make is Trainer else make(model.inputs, model.outputs)
        model.compile()
    ones = tf.data.Dataset.from_tensors(tf.ones((BATCH, 101))).repeat()
    iterator = iter(devices.experimental_distribute_dataset(ones))
    mean = model._make_function(lambda data: model(data, training=True))(iterator)
    return mean.numpy()


def failure(work):
    """Returns the error that `work` ends with, or None."""
    try:
        work()
    except Exception as error:
        return f"{type(error).__name__}: {str(error)[:90]} … {str(error)[-2000:]}"
    return None


def keras_alone(name, devices):
    """Returns {fault: what shows it} of Keras' own trainer; each is a reason for a line of Trainer."""
    if name == "multiworker":

        class Built(keras.Model):
            _maybe_symbolic_build = Trainer._maybe_symbolic_build

        return {
            "build": failure(lambda: trained(compiled(devices, keras.Model), measured=False)),
            "reduce": failure(lambda: trained(compiled(devices, Built), measured=False)),
        }

    def fit(**options):
        return trained(compiled(devices, keras.Model, **options), measured=False)

    clipped = {"optimizer": lambda: sgd(global_clipnorm=0.2), "normalised": False}
    return {
        "masks": sorted(set(masks(devices, keras.Model).ravel().tolist())),
        "clipped": fit(**clipped)["loss"].tolist(),
        "accumulate": failure(lambda: fit(optimizer=lambda: sgd(gradient_accumulation_steps=2))),
        # last, since no collective of this process works after it
        "steps": failure(lambda: fit(steps_per_execution=2)),
    }


def main(name, folder, workers=None, index=None):
    if name == "mirrored":
        half = tf.config.LogicalDeviceConfiguration()
        tf.config.set_logical_device_configuration(tf.config.list_physical_devices("CPU")[0], [half, half])
    devices = strategy.choose(name, workers, None if index is None else int(index))
    tf.config.experimental.enable_op_determinism()
    count = 1 if workers is None else len(workers.split(","))
    for case, options in CASES.items():
        if case in APART and (name == "mirrored" or count > 2):
            continue
        with strategy.precision("bfloat16" if case == "bfloat16" else "float32"):
            np.savez(Path(folder, f"{case}.npz"), **trained(compiled(devices, **options)))
    np.savez(Path(folder, "masks.npz"), masks=masks(devices))
    if name == "one":
        np.savez(Path(folder, "unnormalised.npz"), **trained(compiled(devices, clip_norm=0.2, normalised=False)))
    else:
        Path(folder, "keras.json").write_text(json.dumps(keras_alone(name, devices)))
        os._exit(0)  # what a failed fit leaves behind under a strategy would keep the process from ending


if __name__ == "__main__":
    main(*sys.argv[1:])
