"""Proposals: the same events get the same answers in any process, and what is under way or failed is kept away from."""

import math

import pytest

from keras_vit.recipes import tune_classifier
from keras_vit.training.task import Monitor
from keras_vit.tuning import oracles, search_space

SPACE = {**dict.fromkeys(("weight_decay", "augment", "depth", "width", "patch"), "fixed"), "drop_path": "0..0.3"}
ERROR = Monitor("val_error", "min")


@pytest.fixture
def make():
    axes = search_space.axes(tune_classifier.smoke().training, SPACE)
    sizes = {"trials": 9, "epochs": 9, "seed": 0}
    return lambda algorithm: oracles.Proposer(algorithm, search_space.parameters(axes), ERROR, **sizes)


def error_of(values):
    return abs(math.log10(values["learning_rate"] / 3e-3)) + values["drop_path"]


def ended(number, values):
    return {"ended": number, "best": {"val_error": error_of(values)}}


@pytest.mark.parametrize("algorithm", ["random", "bayesian", "hyperband"])
def test_another_process_with_the_same_events_goes_on_alike(make, algorithm):
    """Two trials at once, one of which fails now and then; a process joins at each step."""
    first, events, trials = make(algorithm), [], []
    for number in range(8):
        values = first.propose(events)
        assert make(algorithm).propose(events) == values
        events.append({"proposed": values})
        trials.append(values)
        if number:
            late = {"ended": number - 1, "failure": "no"} if number % 4 == 1 else ended(number - 1, trials[-2])
            events += [{"started": number - 1, "epochs": 0}, late]
    assert len({str(values) for values in trials}) == 8


def test_no_trial_is_proposed_beside_one_under_way(make):
    """Without an answer to the first nine all later ones would have the same most promising point."""
    proposer, events = make("bayesian"), []
    for number in range(9):
        events.append({"proposed": proposer.propose(events)})
        events.append(ended(number, events[-1]["proposed"]))
    for _ in range(3):
        events.append({"proposed": proposer.propose(events)})
    points = [event["proposed"] for event in events[-3:]]
    far = [
        abs(math.log10(a["learning_rate"] / b["learning_rate"])) + abs(a["drop_path"] - b["drop_path"])
        for i, a in enumerate(points)
        for b in points[:i]
    ]
    assert min(far) > 0.05, points


def test_a_space_that_is_tried_out_ends_the_search(make, monkeypatch):
    axes = [search_space.Axis("depth", "4", {"2": {}, "4": {}, "6": {}})]
    proposer = oracles.Proposer("bayesian", search_space.parameters(axes), ERROR, trials=9, epochs=9, seed=0)
    events = []
    while (values := proposer.propose(events)) is not None:
        number = sum("proposed" in event for event in events)
        events += [{"proposed": values}, {"ended": number, "best": {"val_error": float(values["depth"])}}]
    assert sorted(event["proposed"]["depth"] for event in events[::2]) == ["2", "4", "6"]
