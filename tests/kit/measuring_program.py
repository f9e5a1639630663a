"""Measures the models of a folder on the backend at hand; as a program, says how far from what another measured."""

import sys

import keras
import numpy as np

import keras_vit
from keras_vit import analysis


def measure(folder):
    """Returns {"family measure": array} of the models and images in `folder`."""
    keras_vit.list_models("*")  # registers the layers of the families
    images, labels = np.load(folder / "images.npy"), np.arange(12) % 3
    found = {}
    for path in sorted(folder.glob("*.keras")):
        model = keras.models.load_model(path)
        probes = analysis.probe(model, (images, labels), (images, labels))
        last = list(probes)[-2]  # before the norm
        skip = list(analysis.skip_ratio(model, images).values())[-1]["mlp"]
        each = {
            "distance": np.concatenate(list(analysis.attention_distance(model, images).values())),
            "field": analysis.effective_receptive_field(model, images[:2], last, channels=2, seed=5)[last],
            "probe": np.array(list(probes.values())),
            "skip": np.concatenate([skip.prefix, skip.cells.ravel()]),
            "localisation": analysis.localisation(model, images, batch=6).cells,
            "cka": analysis.cka(model, model, images, batch=6).values,
        }
        found.update({f"{path.stem} {name}": value for name, value in each.items()})
    return found


if __name__ == "__main__":
    from pathlib import Path

    folder = Path(sys.argv[1])
    expected = np.load(folder / "expected.npz")
    for name, got in measure(folder).items():
        print(f"{name}: {np.abs(got - expected[name]).max() / np.abs(expected[name]).max()}")
    assert "tensorflow" not in sys.modules
