"""Devices share batches evenly, and precision lasts no longer than asked."""

import os
import subprocess
import sys
from types import SimpleNamespace

import keras
import pytest
import tensorflow as tf

from keras_vit.training.devices import strategy


def of(replicas):
    return SimpleNamespace(num_replicas_in_sync=replicas)


def test_one_device_needs_no_strategy_of_its_own():
    devices = strategy.all_devices()
    assert devices.num_replicas_in_sync == 1
    assert strategy.names(devices) == ["CPU:0"] or strategy.names(devices) == ["GPU:0"]


@pytest.mark.parametrize(
    ("replicas", "batch", "sentence"),
    [
        (1, 0, "batch 0 does not fit the 100 training images"),
        (1, 101, "give 1 to 100"),
        (3, 32, "does not divide over 3 devices; 30 would"),
        (4, 2, "does not divide over 4 devices; 4 would"),
    ],
)
def test_a_batch_that_cannot_be_shared_out_is_refused(replicas, batch, sentence):
    with pytest.raises(ValueError, match=sentence):
        strategy.check_batch(of(replicas), batch, 100)


@pytest.mark.parametrize(
    ("replicas", "accumulate", "sentence"),
    [
        (1, 0, "accumulate is at least 1, not 0"),
        (1, 5, "batch 32 does not divide over 1 devices in 5 parts; 30 would"),
        (2, 32, "batch 32 does not divide over 2 devices in 32 parts; 64 would"),
    ],
)
def test_a_share_that_cannot_be_taken_in_parts_is_refused(replicas, accumulate, sentence):
    with pytest.raises(ValueError, match=sentence):
        strategy.check_batch(of(replicas), 32, 100, accumulate)


def test_fewer_training_images_than_devices_are_refused():
    with pytest.raises(ValueError, match="3 training images can't be shared out over 4 devices"):
        strategy.check_batch(of(4), 4, 3)


@pytest.mark.parametrize("wanted", [0, 5, 24])
def test_executions_that_do_not_make_an_epoch_are_refused(wanted):
    with pytest.raises(ValueError, match=f"steps_per_execution {wanted} does not divide the 12 .*: 1, 2, 3, 4, 6, 12"):
        strategy.check_steps(wanted, 12)
    strategy.check_steps(6, 12)


@pytest.mark.parametrize(("replicas", "batch", "expected"), [(1, 64, 64), (3, 64, 63), (4, 3, 4)])
def test_batches_of_evaluation_divide_over_the_devices(replicas, batch, expected):
    assert strategy.evaluation_batch(of(replicas), batch) == expected


def test_precision_is_put_back_even_after_an_error():
    with pytest.raises(RuntimeError), strategy.precision("bfloat16"):
        layer = keras.layers.Dense(3)
        layer.build((2, 5))
        assert (layer.compute_dtype, layer.kernel.dtype) == ("bfloat16", "float32")
        raise RuntimeError
    assert keras.config.dtype_policy().name == "float32"


@pytest.mark.parametrize("before", [None, "of somebody else's"])
@pytest.mark.parametrize(
    ("workers", "sentence"),
    [("localhost:1,localhost:1", "stands twice"), ("localhost", "not of the form host:port"), (None, "go together")],
)
def test_workers_that_are_refused_leave_the_environment_as_it_was(workers, sentence, before, monkeypatch):
    monkeypatch.delenv("TF_CONFIG", raising=False)
    if before is not None:
        monkeypatch.setenv("TF_CONFIG", before)
    with pytest.raises(ValueError, match=sentence):
        strategy.choose("multiworker", workers, 0)
    assert os.environ.get("TF_CONFIG") == before


@pytest.mark.parametrize("before", [None, "of somebody else's"])
def test_a_cluster_that_cannot_be_joined_leaves_the_environment_as_it_was(before, monkeypatch):
    monkeypatch.delenv("TF_CONFIG", raising=False)
    if before is not None:
        monkeypatch.setenv("TF_CONFIG", before)
    tf.constant(1.0) + 1  # after which TensorFlow joins no cluster
    with pytest.raises(ValueError, match="only before TensorFlow computes anything"):
        strategy.choose("auto", "localhost:1,localhost:2", 0)
    assert os.environ.get("TF_CONFIG") == before


def test_devices_can_be_chosen_after_every_module_was_imported():
    """A tensor that a module makes as it is imported would start TensorFlow, and its devices were chosen by that."""
    program = """
import importlib, pkgutil
import keras_vit
import tensorflow as tf
for each in pkgutil.walk_packages(keras_vit.__path__, "keras_vit."):
    if not each.name.endswith("__main__"):
        importlib.import_module(each.name)
cpu = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(cpu, 2 * [tf.config.LogicalDeviceConfiguration()])
print(len(tf.config.list_logical_devices("CPU")))
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.stdout.strip() == "2", done.stderr
