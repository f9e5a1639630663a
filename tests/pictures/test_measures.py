"""Pictures of measures are drawn, as large as what they show needs, and refuse what can't be compared."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from keras_vit import analysis, pictures
from keras_vit.analysis import Calibration, Localisation, Similarity, SkipRatio

NAMES = ("embed", "block_0", "block_1", "norm")


def similarity(rng, rows=NAMES, repeats=1):
    values = rng.random((len(rows), 4))
    deviations = 0.1 * rng.random(values.shape) if repeats > 1 else None
    return Similarity(rows, NAMES, values, ("one", "other"), deviations, repeats)


def drawn(path):
    """Returns the pixels of a picture that is more than a blank page, (H, W, 3), and that it is the only file."""
    assert [each.name for each in path.parent.iterdir()] == [path.name]
    pixels = np.asarray(Image.open(path).convert("RGB"), "float32")
    assert pixels.std() > 5 and len(np.unique(pixels.reshape(-1, 3), axis=0)) > 20
    return pixels


def ratio(rng):
    return {name: SkipRatio(1 + rng.random(1), 1 + rng.random((3, 5))) for name in ("attention", "mlp")}


DRAWN = {
    "distances": lambda path, rng: pictures.distance_picture(path, {"attention_0": rng.random(3)}, {"attention_0": 1}),
    "fields": lambda path, rng: pictures.field_picture(path, {"stage_0": rng.random((11, 13))}, {"stage_0": 0.25}),
    "localisation": lambda path, rng: pictures.localisation_picture(
        path, Localisation("block_2", (8, 8), rng.random((1, 5, 7)), rng.random((5, 7, 5, 7)))
    ),
    "one probe": lambda path, rng: pictures.probe_picture(path, {"one": dict.fromkeys(NAMES, 0.5)}),
    "probes": lambda path, rng: pictures.probe_picture(path, {"one": {"embed": 0.1, "norm": 1}, "two": {"map": 0.2}}),
    "heat map": lambda path, rng: pictures.similarity_picture(path, similarity(rng), similarity(rng)),
    "lines": lambda path, rng: pictures.similarity_lines(path, similarity(rng, repeats=3), similarity(rng)),
    "heat map without a control": lambda path, rng: pictures.similarity_picture(path, similarity(rng)),
    "lines without a control": lambda path, rng: pictures.similarity_lines(path, similarity(rng, repeats=3)),
    "skip": lambda path, rng: pictures.skip_picture(path, {"block_0": ratio(rng), "block_1": ratio(rng)}),
}


@pytest.mark.parametrize("kind", DRAWN)
def test_a_measure_is_drawn(tmp_path, rng, kind):
    DRAWN[kind](tmp_path / "drawn.png", rng)
    drawn(tmp_path / "drawn.png")


def test_patches_without_a_number_are_grey(tmp_path, rng):
    cells = rng.random((3, 3, 5, 7))
    cells[:, :, 0] = np.nan
    pictures.localisation_picture(tmp_path / "a.png", Localisation("norm", (8, 8), rng.random((0, 5, 7)), cells))
    pixels = drawn(tmp_path / "a.png")
    grey = (np.abs(pixels - 0.7 * 255) < 2).all(axis=2).mean()
    assert 0.02 < grey < 0.5


def test_reliability_has_a_panel_for_each_classifier(tmp_path, rng):
    values = rng.random(15)
    one, sizes = Calibration(values, values, np.full(15, 40)), {}
    for count in (1, 3, 5):
        pictures.reliability_picture(tmp_path / f"{count}.png", {f"network {i}": one for i in range(count)})
        sizes[count] = Image.open(tmp_path / f"{count}.png").size
    assert sizes[3][0] > 2 * sizes[1][0] and sizes[5][1] > 1.7 * sizes[3][1]


def test_similarities_of_other_layers_are_refused(tmp_path, rng):
    for picture in (pictures.similarity_picture, pictures.similarity_lines):
        with pytest.raises(ValueError, match=r"compares \(2, 4\) layers, not \(4, 4\)"):
            picture(tmp_path / "a.png", similarity(rng), similarity(rng, NAMES[:2]))
    with pytest.raises(ValueError, match="was compared by its layers embed, block_0, .*, not 'block_9'"):
        pictures.similarity_lines(tmp_path / "a.png", similarity(rng), similarity(rng), ["block_9"])


def test_pictures_need_no_keras():
    subprocess.run(
        [sys.executable, "-c", "import keras_vit.pictures, sys; assert 'keras' not in sys.modules"], check=True
    )


def test_measures_neither_draw_nor_write():
    for path in Path(analysis.__file__).parent.glob("*.py"):
        text = path.read_text(encoding="utf-8")
        assert not any(each in text for each in ("matplotlib", "pictures", "csv", "savefig")), path
