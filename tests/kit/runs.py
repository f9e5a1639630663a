"""A short run with every source of chance, and what two runs that ended alike have in common."""

import json
from pathlib import Path

import keras
import numpy as np

from keras_vit.tasks.presets.classify import PRESETS

SMOKE = PRESETS["smoke"]()
# with every source of chance: the order of images, augmentation, dropout, drop path
CHANCE = {**SMOKE.model.options, "depth": 2, "dropout": 0.1, "drop_path": 0.2}


def state_of(output):
    with np.load(Path(output, "state", "latest.npz")) as file:
        return {key: file[key] for key in file if key != "progress"}


def best_of(output):
    return keras.saving.load_model(Path(output, "best.keras")).get_weights()


def result_of(output):
    return json.loads(Path(output, "result.json").read_text())


def assert_same(ours, theirs):
    for a, b in zip(ours, theirs, strict=True):
        np.testing.assert_array_equal(a, b)


def assert_ended_alike(ours, theirs, said=""):
    """Two runs left the same weights, optimizer, counters, history and results, to the last bit."""
    states = state_of(ours), state_of(theirs)
    assert states[0].keys() == states[1].keys()
    assert all(np.array_equal(states[0][key], states[1][key]) for key in states[0]), said
    assert Path(ours, "history.csv").read_bytes() == Path(theirs, "history.csv").read_bytes(), said
    assert_same(best_of(ours), best_of(theirs))
    for key in ("test", "best"):
        assert result_of(ours)[key] == result_of(theirs)[key], said
    assert not [each.name for each in Path(ours).rglob("tmp-*")], said
