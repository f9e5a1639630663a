"""Where a model is trained: the devices and the precision of its arithmetic.

A `strategy` is a tf.distribute strategy.
"""

import contextlib
import functools
import os
from collections.abc import Iterator
from typing import Any

import keras

from keras_vit.backend import load
from keras_vit.training.devices import cluster

STRATEGIES = ("auto", "one", "mirrored", "multiworker")
PRECISIONS = {"float32": "float32", "bfloat16": "mixed_bfloat16"}


def all_devices() -> Any:
    """Returns the strategy that trains on every visible GPU, or on every logical CPU where there is none."""
    tf = load("tensorflow")
    devices = tf.config.list_logical_devices("GPU") or tf.config.list_logical_devices("CPU")
    if len(devices) == 1:
        return tf.distribute.get_strategy()
    return _mirrored(tuple(device.name for device in devices))


@functools.cache
def _mirrored(devices):
    """Returns the one MirroredStrategy of this process over `devices`.

    Each strategy numbers its sums over devices from the same number on, but the devices remember what the sum of a
    number was like: a second training of a process, as in a search, would fail where its sums come in another order.
    """
    return load("tensorflow").distribute.MirroredStrategy(list(devices))


def choose(name: str = "auto", workers: str | None = None, index: int | None = None) -> Any:
    """Returns the tf.distribute strategy called `name`; ValueError where it can't be had.

    "one" is one device; "mirrored" all of this machine; "multiworker" the cluster in TF_CONFIG, or that of
    `workers` ("host:port,host:port", the chief first) in which this process is number `index`; "auto" is
    "multiworker" where one of these is given, else "mirrored" where there are several devices. With several
    workers it must come before anything else that TensorFlow does.
    """
    if name not in STRATEGIES:
        raise ValueError(f"no strategy {name!r}; it is one of {', '.join(STRATEGIES)}")
    asked = workers is not None or index is not None
    if name in ("one", "mirrored") and asked:
        raise ValueError(f"workers and index are for the strategy multiworker, not {name}")
    if name == "multiworker" or (name == "auto" and (asked or "TF_CONFIG" in os.environ)):
        return cluster.join(workers, index)
    if name == "one":
        return load("tensorflow").distribute.get_strategy()
    return all_devices()


def names(strategy: Any) -> list[str]:
    """Returns the names of the devices that `strategy` trains on, such as ["GPU:0", "GPU:1"].

    Those of several workers are called "worker 0 GPU:0" and so on; all workers have as many as this one.
    """
    tf = load("tensorflow")
    if strategy.cluster_resolver is not None or strategy.num_replicas_in_sync > 1:
        found = strategy.extended.worker_devices
    else:
        found = [(tf.config.list_logical_devices("GPU") or tf.config.list_logical_devices("CPU"))[0].name]
    own = [name.rpartition("device:")[2] for name in found]
    workers = cluster.size(strategy)
    return own if workers == 1 else [f"worker {i} {name}" for i in range(workers) for name in own]


def check_batch(strategy: Any, batch: int, images: int, accumulate: int = 1) -> None:
    """Raises ValueError where `batch` can't be shared out evenly or exceeds the number of `images`."""
    if accumulate < 1:
        raise ValueError(f"accumulate is at least 1, not {accumulate}")
    replicas = strategy.num_replicas_in_sync
    if images < replicas:
        raise ValueError(f"{images} training images can't be shared out over {replicas} devices; train on fewer")
    if not 1 <= batch <= images:
        raise ValueError(f"batch {batch} does not fit the {images} training images; give 1 to {images}, or none")
    if batch % (parts := replicas * accumulate):
        near = max(parts, batch - batch % parts)
        each = f" in {accumulate} parts" if accumulate > 1 else ""
        raise ValueError(f"batch {batch} does not divide over {replicas} devices{each}; {near} would")


def check_steps(steps_per_execution: int, steps: int) -> None:
    """Raises ValueError where an epoch of `steps` is no multiple of `steps_per_execution`."""
    if steps_per_execution < 1 or steps % steps_per_execution:
        fit = ", ".join(str(n) for n in range(1, steps + 1) if steps % n == 0)
        raise ValueError(
            f"steps_per_execution {steps_per_execution} does not divide the {steps} steps of an epoch; these do: {fit}"
        )


def evaluation_batch(strategy: Any, batch: int) -> int:
    """Returns the batch, about `batch`, in which to measure: a multiple of the number of devices.

    The last one may be smaller: a device without a share of it counts for nothing.
    """
    replicas = strategy.num_replicas_in_sync
    return max(replicas, batch // replicas * replicas)


@contextlib.contextmanager
def precision(name: str) -> Iterator[None]:
    """Builds the models made inside in `name`: "float32", or "bfloat16" with float32 weights."""
    if name not in PRECISIONS:
        raise ValueError(f"no precision {name!r}; it is one of {', '.join(PRECISIONS)}")
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(PRECISIONS[name])
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)
