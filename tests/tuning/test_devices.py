"""A search trains its trials on all devices of the machine."""

import json
import multiprocessing
from pathlib import Path

import pytest
import tensorflow as tf

from keras_vit.recipes.tune_classifier import PRESETS, tune

pytestmark = pytest.mark.slow


def search_on_two_devices(options):
    """Makes a search with real trainings, in a process that begins with this."""
    cpu = tf.config.list_physical_devices("CPU")[0]
    tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
    tune(options)


def test_trials_train_on_all_devices_of_the_machine(tmp_path):
    here = {"data_dir": str(tmp_path / "data"), "output": str(tmp_path / "search")}
    options = PRESETS["smoke"]().replace(strategy="mirrored", trials=2, epochs=1, augment="none", **here)
    running = multiprocessing.get_context("spawn").Process(target=search_on_two_devices, args=(options,))
    running.start()
    running.join()
    assert running.exitcode == 0
    for trial in range(2):
        told = json.loads(Path(options.training.run.output, "trials", str(trial), "result.json").read_text())
        assert told["devices"] == ["CPU:0", "CPU:1"] and told["test"]["accuracy"] > 0
