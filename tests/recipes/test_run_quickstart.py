"""The quickstart trains, draws, exports and serves; run again it says that it is done."""

import json
import re
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image


@pytest.fixture(scope="module")
def quickstart(tmp_path_factory):
    """Runs the quickstart's smoke preset; returns (its folder, what it printed, a function that runs it again)."""
    home = tmp_path_factory.mktemp("quickstart") / "runs"

    def run(*more):
        command = [sys.executable, "-m", "keras_vit.recipes.run_quickstart", "--preset", "smoke", "--output", home]
        done = subprocess.run([*command, *more], capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        assert not re.search("oneDNN|absl|I0000", done.stderr), done.stderr
        return done.stdout

    return home, run(), run


def test_everything_is_written_and_named(quickstart):
    home, printed, _ = quickstart
    for name in ("training/best.keras", "training/curves.png", "attention.png", "export/1/saved_model.pb", "images"):
        assert (home / name).exists(), name
    for what in ("true label", "prediction", "probability", "curves.png", "attention.png", "export"):
        assert what in printed
    assert "neither keras_vit nor Keras" in printed


def test_images_that_were_classified_are_the_held_out_digits(quickstart):
    from sklearn.datasets import load_digits

    digits = load_digits()
    for label in range(10):
        pixels = np.asarray(Image.open(quickstart[0] / "images" / f"digit-{label}.png"), "float32")
        same = np.abs(digits.images * 255 / 16 - pixels).max(axis=(1, 2)) < 1
        (index,) = np.flatnonzero(same)
        assert (digits.target[index], index % 5) == (label, 0)  # every fifth is held out


def test_pictures_are_not_blank(quickstart):
    for name in ("attention.png", "training/curves.png"):
        pixels = np.asarray(Image.open(quickstart[0] / name).convert("L"), "float32")
        assert pixels.shape[0] > 300 and pixels.shape[1] > 800 and pixels.std() > 10


def test_second_run_says_that_it_is_done_and_trains_no_more(quickstart):
    home, _, run = quickstart
    before = (home / "training/best.keras").stat().st_mtime_ns
    assert "fresh (--fresh) starts over" in run()
    assert (home / "training/best.keras").stat().st_mtime_ns == before


@pytest.mark.slow
def test_fresh_run_starts_over(quickstart):
    home, _, run = quickstart
    old = [(home / name).stat().st_mtime_ns for name in ("training/best.keras", "export/1/saved_model.pb")]
    assert "epoch 1/2" in run("--fresh")
    new = [(home / name).stat().st_mtime_ns for name in ("training/best.keras", "export/1/saved_model.pb")]
    assert all(a > b for a, b in zip(new, old, strict=True))
    assert json.loads((home / "training/result.json").read_text())["images"]["test"] == 360
