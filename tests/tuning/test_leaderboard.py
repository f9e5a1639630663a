"""The report of a search: whether it was worth it, as a sentence, a table and a picture, for any monitor."""

import csv
import math

from rich.console import Console

from keras_vit.pictures import parallel_coordinates
from keras_vit.training.task import Monitor
from keras_vit.tuning import leaderboard, search_space
from keras_vit.tuning.leaderboard import Row

SHARE = Monitor("val_accuracy", "max", ".2%")
ERROR = Monitor("val_abs_rel", "min", ".3f")
AXES = [
    search_space.Axis("depth", "4", {"2": {}, "4": {}}),
    search_space.Axis("rate", 0.1, low=0.01, high=10.0, log=True),
]


def row(number, value, loss=1.0, failure=None, monitor=SHARE, test=None, **values):
    best = None if value is None else {monitor.name: value, "val_loss": loss}
    result = {"parameters": 11, "seconds": 2.0, "test": {monitor.name.removeprefix("val_"): test} if test else {}}
    return Row(number, {"depth": "4", "rate": 0.1, **values}, 9, best, failure, result)


def verdict(*rows, monitor=SHARE):
    return leaderboard.verdict(leaderboard.ranked(rows, monitor), monitor)


def test_verdict_says_what_the_search_was_worth():
    assert verdict(row(0, 0.9, test=0.89), row(1, 0.95, test=0.93)) == (
        "The best, trial 1, reaches val accuracy 95.00% (93.00% on test), "
        "the default options val accuracy 90.00% (89.00% on test)."
    )
    assert "No trial was better than the default options, which reach val accuracy 90.00%." in verdict(
        row(0, 0.9), row(1, 0.8)
    )
    assert "90.00%, at a lower loss (0.5000 to 1.0000)." in verdict(row(0, 0.9), row(1, 0.9, 0.5))
    assert "the default options failed (too wide)." in verdict(row(0, None, failure="too wide"), row(1, 0.9))


def test_a_number_that_is_to_fall_is_ranked_and_written_as_such(tmp_path):
    rows = [row(i, value, monitor=ERROR, test=7.0) for i, value in enumerate((0.3, 0.2, 0.5))]
    rows.append(row(3, None, failure="it failed", monitor=ERROR))
    ranked = leaderboard.ranked(rows, ERROR)
    assert [each.number for each in ranked] == [1, 0, 2, 3]
    assert verdict(*rows, monitor=ERROR).startswith("The best, trial 1, reaches val abs rel 0.200 (7.000 on test)")
    leaderboard.write(ranked, AXES, ERROR, tmp_path / "board.csv")
    with open(tmp_path / "board.csv", newline="") as file:
        written = list(csv.DictReader(file))
    assert [each["val_abs_rel"] for each in written] == ["0.2", "0.3", "0.5", ""]
    assert written[3]["failure"] == "it failed" and written[0]["parameters"] == "11"
    console = Console(width=120, record=True)
    console.print(leaderboard.table(ranked, AXES, ERROR))
    shown = console.export_text()
    assert "val_abs_rel" in shown and "0.200" in shown and "failed: it failed; as the default" in shown


def test_a_picture_of_equal_and_failed_trials_can_be_drawn(tmp_path):
    rows = [row(0, 1.0), row(1, 1.0, depth="2"), row(2, None, failure="it failed", rate=0.01)]
    parallel_coordinates.parallel_picture(tmp_path / "a.png", rows, AXES, SHARE, "all right")
    parallel_coordinates.parallel_picture(tmp_path / "b.png", rows[::2], AXES, SHARE, "one")
    assert (tmp_path / "a.png").read_bytes() != (tmp_path / "b.png").read_bytes()
    assert math.isclose(parallel_coordinates._height(AXES[1], 0.1), 1 / 3)


def test_a_picture_stands_the_better_number_higher_whether_it_rises_or_falls():
    for best, middle, worst in ((0.9, 0.8, 0.1), (0.1, 0.2, 0.9)):
        merits = [parallel_coordinates._merit(value, best, worst) for value in (best, middle, worst)]
        assert merits[0] == 1 and math.isclose(merits[2], 0, abs_tol=1e-12) and 0 < merits[1] < 1
        assert math.isclose(parallel_coordinates._value(merits[1], best, worst), middle)
