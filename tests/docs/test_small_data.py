"""The curves of the small-data presets, as committed: the smoke preset still follows its own."""

import csv
from pathlib import Path

import numpy as np
import pytest

from keras_vit.tasks.presets.classify import PRESETS
from keras_vit.training.train import train

CURVES = Path(__file__).parents[2] / "docs" / "curves"
# Other processors and releases of TensorFlow round otherwise, which two epochs of 20 steps hardly amplify; one of the
# 144 validation images is 0.7 %
TOLERANCE = {"loss": 0.02, "val_loss": 0.02, "accuracy": 0.02, "val_accuracy": 0.03, "learning_rate": 1e-9}


def curve(name):
    with open(CURVES / f"{name}.csv", newline="", encoding="utf-8") as file:
        return [{key: float(value) for key, value in row.items()} for row in csv.DictReader(file)]


@pytest.mark.slow
def test_the_smoke_preset_follows_its_curve(tmp_path):
    history = train(PRESETS["smoke"]().replace(output=str(tmp_path / "run"), data_dir=str(tmp_path))).history
    expected = curve("smoke")
    assert [row["epoch"] for row in expected] == [1, 2]
    for name, tolerance in TOLERANCE.items():
        found = history.history[name]
        np.testing.assert_allclose(found, [row[name] for row in expected], atol=tolerance, err_msg=name)
    assert abs(expected[0]["loss"] - expected[1]["loss"]) > 3 * TOLERANCE["loss"]  # else nothing would be learned


@pytest.mark.parametrize("name", ["digits", "fashion-mnist", "cifar10"])
def test_the_curve_of_a_preset_is_that_of_its_schedule(name):
    options, rows = PRESETS[name](), curve(name)
    assert [row["epoch"] for row in rows] == list(range(1, options.optim.epochs + 1))
    assert (
        rows[-1]["learning_rate"] == 0
        and max(row["learning_rate"] for row in rows) <= options.optim.learning_rate * 1.000001
    )
