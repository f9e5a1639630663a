"""The names of layers, weights and taps are public: those of every family are the ones in public_names.csv.

A name that a user's code may hold, or a saved file, doesn't change by accident. One that must change changes there too,
by `python tests/zoo/test_public_names.py`, and in the changelog.
"""

import csv
from pathlib import Path

import pytest

import keras_vit
from keras_vit.taps import intermediates_of, list_taps
from keras_vit.testing import small

FILE = Path(__file__).with_name("public_names.csv")
HEADER = ("model", "layer", "weights", "taps")
OPTIONS = {  # what of a family has names that its small model lacks
    "beit": [{"pool": "token"}, {"shared_bias": True}],
    "deit": [{"distillation": "both"}],
    "vit": [
        {"trunk": (), "patch": 2},
        {"stem": (4, 8), "patch": 2},
        {"position": "mixed"},
        {"class_token": False, "pool": "mean", "registers": 2, "pool_norm": True},
        {"pre_norm": True, "layer_scale": 1e-5},
    ],
    "mixer": [{"layer_scale": 1e-5}],
}


def rows_of(family, options):
    """Returns a row of `HEADER` for each layer of the small model of `family`."""
    model, name = small(family, **options), " ".join([family, *(f"{key}={value}" for key, value in options.items())])
    taps, rows = set(list_taps(model)), []
    for layer in model.layers:
        weights = [weight.path.removeprefix(f"{layer.name}/") for weight in layer.weights]
        own = [tap for tap in (layer.name, *intermediates_of(layer)) if tap in taps]
        if weights or own:
            rows.append((name, layer.name, " ".join(weights), " ".join(own)))
    return rows


def cases():
    return [(family, options) for family in keras_vit.list_families() for options in [{}, *OPTIONS.get(family, [])]]


@pytest.mark.parametrize(("family", "options"), cases(), ids=str)
def test_layers_weights_and_taps_have_their_public_names(family, options):
    rows = rows_of(family, options)
    with FILE.open(newline="", encoding="utf-8") as file:
        known = [tuple(row) for row in csv.reader(file)]
    assert rows == [row for row in known if row[0] == rows[0][0]]


def test_no_family_is_missing_and_none_is_gone():
    with FILE.open(newline="", encoding="utf-8") as file:
        known = {row["model"].partition(" ")[0] for row in csv.DictReader(file)}
    assert known == set(keras_vit.list_families())


if __name__ == "__main__":
    with FILE.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file, lineterminator="\n").writerows([HEADER, *(row for case in cases() for row in rows_of(*case))])
