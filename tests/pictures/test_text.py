"""Names in pictures are shown as they are, in letters that a font has."""

import warnings

import numpy as np
import pytest
from matplotlib import rc_context
from matplotlib.figure import Figure
from matplotlib.image import imread

from keras_vit import pictures
from keras_vit.pictures import text
from keras_vit.pictures.figure import write_figure

NAMES = ["$a_b$", r"$\nothing{$", "[red]x[/red]", "50 $", r"\$"]


def drawn(path, name, place):
    figure = Figure(figsize=(2, 1))
    if place == "title":
        figure.subplots().set_title(name)
    else:
        figure.subplots().set_xticks([0.5], [name])
    write_figure(path, figure)
    return imread(path)


@pytest.mark.parametrize("place", ["title", "tick"])
@pytest.mark.parametrize("name", NAMES)
def test_no_name_is_taken_for_a_formula(tmp_path, name, place):
    figure = Figure(figsize=(2, 1))
    if place == "title":
        figure.subplots().set_title(name, parse_math=False)
    else:
        figure.subplots().set_xticks([0.5], [name], parse_math=False)
    figure.savefig(tmp_path / "plain.png", dpi=120)
    np.testing.assert_array_equal(drawn(tmp_path / "ours.png", name, place), imread(tmp_path / "plain.png"))


def test_powers_beside_an_axis_stay_powers(tmp_path):
    figure = Figure(figsize=(2, 1))
    figure.subplots().set(xscale="log", xlim=(1e-3, 1e3))
    figure.savefig(tmp_path / "plain.png", dpi=120)
    write_figure(tmp_path / "ours.png", figure)
    np.testing.assert_array_equal(imread(tmp_path / "ours.png"), imread(tmp_path / "plain.png"))


@pytest.mark.parametrize("place", ["title", "tick"])
def test_letters_that_no_font_has_are_numbers_and_told(tmp_path, monkeypatch, place):
    monkeypatch.setattr(text, "FONTS", ())
    with pytest.warns(UserWarning, match="no font here has '猫', so .* install one that has, such as Noto Sans CJK"):
        got = drawn(tmp_path / "cat.png", "猫 cat", place)
    np.testing.assert_array_equal(got, drawn(tmp_path / "number.png", r"\u732b cat", place))


@pytest.mark.parametrize("place", ["title", "tick"])
def test_letters_are_drawn_in_a_font_that_has_them(tmp_path, monkeypatch, place):
    monkeypatch.setattr(text, "FONTS", ("No Such Font", "Last Resort High-Efficiency"))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        got = drawn(tmp_path / "cat.png", "猫 cat", place)
    with rc_context({"font.family": ["DejaVu Sans", "Last Resort High-Efficiency"]}):
        figure = Figure(figsize=(2, 1))
        axes = figure.subplots()
        axes.set_title("猫 cat") if place == "title" else axes.set_xticks([0.5], ["猫 cat"])
        figure.savefig(tmp_path / "plain.png", dpi=120)
    np.testing.assert_array_equal(got, imread(tmp_path / "plain.png"))


def test_a_confusion_matrix_of_such_classes_is_drawn(tmp_path):
    matrix = np.arange(len(NAMES) ** 2).reshape(len(NAMES), -1)
    pictures.confusion_picture(tmp_path / "confusion.png", matrix, NAMES, "$run$", [(NAMES[0], NAMES[1], 5)])
    assert imread(tmp_path / "confusion.png").ndim == 3
