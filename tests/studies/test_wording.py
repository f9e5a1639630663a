"""Sentences say what was measured and no more."""

import pytest

from keras_vit.studies.wording import comparison, leaders, listed, ordered, two_errors


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({"A": [0.70, 0.72], "B": [0.61, 0.69]}, ["A"]),
        ({"A": [0.70, 0.72], "B": [0.61, 0.705]}, ["A", "B"]),  # one training of B reaches one of A
        ({"A": [0.50], "B": [0.60], "C": [0.60]}, ["B", "C"]),
        ({"A": [0.50], "B": [0.60]}, ["B"]),
    ],
)
def test_leaders_are_those_that_overlap_with_the_best(values, expected):
    assert leaders(values) == expected


def test_what_lies_within_the_margin_is_not_told_apart():
    values = {"A": [0.60], "B": [0.585], "C": [0.57]}
    assert leaders(values, margin=0.02) == ["A", "B"]
    assert leaders(values, lowest=True, margin=0.02) == ["C", "B"]


def test_sentence_names_the_best_whoever_it_is():
    ranking = "B 70.0 %, C 55.0 % and A 50.0 %."
    assert comparison({"A": [0.5], "B": [0.7], "C": [0.55]}, "the most") == f"B has the most: {ranking}"
    lowest = comparison({"A": [0.5], "B": [0.7]}, "the least", lowest=True)
    assert lowest == "A has the least: A 50.0 % and B 70.0 %."


def test_sentence_admits_what_it_cannot_tell():
    two = comparison({"A": [0.70, 0.73], "B": [0.71, 0.715], "C": [0.2, 0.3]}, "the most")
    assert two.startswith("A and B share the most, and this study can't tell them apart: A 71.5 %, B 71.2 %")
    none = comparison({"A": [0.5], "B": [0.5]}, "the most")
    assert none == "No network stands out by the most: A 50.0 % and B 50.0 %, which this study can't tell apart."
    assert comparison({"A": [0.5]}, "the most") == "A 50.0 %."


def test_helpers():
    assert [listed(each) for each in (["a"], ["a", "b"], "abc")] == ["a", "a and b", "a, b and c"]
    assert ordered({"A": [0.2, 0.4], "B": [0.5]}) == [("B", 0.5), ("A", pytest.approx(0.3))]
    assert two_errors(0.5, 100) == pytest.approx(0.1)  # 2 sqrt(0.25 / 100)
