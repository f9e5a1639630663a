"""What a search says of its trials: whether it was worth it, and the picture of all of them."""

import math

from keras_vit.pictures import parallel_coordinates
from keras_vit.tuning import leaderboard, search_space
from keras_vit.tuning.leaderboard import Row


def row(number, accuracy, loss=1.0, failure=None, **values):
    return Row(str(number), {"depth": "4", "rate": 0.1, **values}, 9, accuracy, loss, 11, 2.0, failure)


def test_verdict_says_what_the_search_was_worth():
    test = {"0": 0.9, "1": 0.95}.get
    assert "5.00 points better" in leaderboard.verdict([row(0, 0.9), row(1, 0.95)], test)
    assert "No trial was better than the default options, which reach 90.00%" in leaderboard.verdict(
        [row(0, 0.9), row(1, 0.8)], test
    )
    assert "as the default options do, at a lower loss (0.5000 to 1.0000)" in leaderboard.verdict(
        [row(0, 0.9), row(1, 0.9, 0.5)], test
    )


def test_a_picture_of_equal_and_failed_trials_can_be_drawn(tmp_path):
    axes = [
        search_space.Axis("depth", "4", {"2": {}, "4": {}}),
        search_space.Axis("rate", 0.1, low=0.01, high=10.0, log=True),
    ]
    rows = [row(0, 1.0), row(1, 1.0, depth="2"), row(2, None, None, "it failed", rate=0.01)]
    parallel_coordinates.parallel_picture(tmp_path / "a.png", leaderboard.ranked(rows), axes, "all right")
    parallel_coordinates.parallel_picture(tmp_path / "b.png", leaderboard.ranked(rows[::2]), axes, "one")
    assert (tmp_path / "a.png").read_bytes() != (tmp_path / "b.png").read_bytes()
    assert math.isclose(parallel_coordinates._height(axes[1], 0.1), 1 / 3)
