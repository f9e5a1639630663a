"""Long measurements say on a terminal how far they are, say nothing elsewhere, and can be stopped."""

import numpy as np
import pytest

from keras_vit import analysis
from keras_vit.testing import small

IMAGES = np.random.default_rng(0).normal(size=(12, 32, 32, 3)).astype("float32")
LABELS = np.arange(12) % 2
MEASUREMENTS = {
    "CKA of vit and vit": lambda model: analysis.cka(model, model, IMAGES, layers=("norm", "norm"), batch=4),
    "hiding patches": lambda model: analysis.attention(model, IMAGES[:2], "occlusion", patch=16),
    "attention distance": lambda model: analysis.attention_distance(model, IMAGES),
    "receptive field of block_0": lambda model: analysis.effective_receptive_field(
        model, IMAGES, "block_0", channels=1
    ),
    "skips and branches": lambda model: analysis.skip_ratio(model, IMAGES),
    "localisation in block_0": lambda model: analysis.localisation(model, IMAGES, "block_0", batch=4),
    "features of the layers": lambda model: analysis.probe(model, (IMAGES, LABELS), (IMAGES, LABELS), "norm"),
}


@pytest.fixture(scope="module")
def model():
    model = small("vit")
    model.name = "vit"
    return model


@pytest.mark.parametrize("what", MEASUREMENTS)
def test_terminal_shows_a_bar_and_a_file_nothing(model, what, capsys, monkeypatch):
    MEASUREMENTS[what](model)
    assert capsys.readouterr() == ("", "")
    monkeypatch.setenv("FORCE_COLOR", "1")  # rich takes any stream for a terminal then
    MEASUREMENTS[what](model)
    out, err = capsys.readouterr()
    assert out == "" and what in err and "100%" in err


def test_stopping_by_hand_leaves_the_terminal_as_it_was(capsys, monkeypatch):
    from keras_vit.analysis.watching import watched

    monkeypatch.setenv("FORCE_COLOR", "1")
    with pytest.raises(KeyboardInterrupt):
        for each in watched(range(3), "work"):
            if each == 1:
                raise KeyboardInterrupt
    assert capsys.readouterr().err.count("\x1b[?25h") >= 1  # the cursor is shown again
