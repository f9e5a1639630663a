"""A short training that several commands read."""

import numpy as np
import pytest
from PIL import Image

from keras_vit.tasks.classify import Classify
from keras_vit.training.options import Options
from keras_vit.training.train import train


@pytest.fixture(scope="session")
def run(tmp_path_factory):
    """The folder of a short run on dark ants and bright bees, some of either kind, trained by smoothed labels."""
    home = tmp_path_factory.mktemp("evaluate")
    rng = np.random.default_rng(5)
    for split, count in (("train", 20), ("val", 5), ("test", 11)):
        for label, brightness in (("ant", 105), ("bee", 135)):
            folder = home / "photos" / split / label
            folder.mkdir(parents=True)
            for i in range(count):
                pixels = rng.normal(rng.normal(brightness, 25), 30, (7, 5, 3))
                Image.fromarray(pixels.clip(0, 255).astype("uint8")).save(folder / f"{i}.png")
    options = Options(task=Classify(label_smoothing=0.3)).replace(
        data=f"folder:{home / 'photos'}",
        model="mlp",
        model_options={"widths": (5,)},
        image_size=(7, 5),
        epochs=3,
        learning_rate=0.02,
        warmup_epochs=0.5,
        batch_size=4,
        output=str(home / "run"),
    )
    train(options)
    return home / "run"
