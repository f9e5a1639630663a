"""The chief of a search: whose trial goes to another worker, and what a chief that was started again still knows."""

import pytest

from keras_vit.recipes import tune_classifier
from keras_vit.tuning import oracles, search_space

SPACE = {
    **dict.fromkeys(("weight_decay", "augment", "depth", "width", "patch"), "fixed"),
    "learning_rate": "log:1e-4..1e-1",
}


@pytest.fixture
def served(tmp_path, monkeypatch):
    """The oracle of a chief, and a clock that a test sets."""
    clock = [0.0]
    monkeypatch.setattr(oracles.time, "monotonic", lambda: clock[0])
    axes = search_space.axes(tune_classifier.smoke().training, SPACE)

    def make():
        parameters = search_space.parameters(axes)
        made = oracles.oracle("random", parameters, 3, 2, 0, lease=10, ended=lambda *_: None, serving=True)
        made._set_project_dir(str(tmp_path), "oracle")
        return made

    return make, clock


def end(oracle, trial):
    oracle.update_trial(trial.trial_id, {"val_accuracy": 0.5, "val_loss": 1.0})
    trial.status = "COMPLETED"
    oracle.end_trial(trial)


def test_the_trial_of_a_silent_worker_goes_to_another_and_nobody_leaves_before_all_is_done(served):
    make, clock = served
    oracle = make()
    first, second = oracle.create_trial("worker 0"), oracle.create_trial("worker 1")
    assert oracle.create_trial("worker 1").trial_id == second.trial_id  # one that was started again
    clock[0] = 8
    oracle.get_trial(first.trial_id)  # worker 0 lives
    clock[0] = 11
    assert oracle.release_silent() == ["worker 1"]
    end(oracle, first)
    again = oracle.create_trial("worker 0")
    assert again.trial_id == second.trial_id
    third = oracle.create_trial("worker 2")
    end(oracle, third)
    assert oracle.create_trial("worker 2").status == "IDLE"
    end(oracle, again)
    end(oracle, second)  # worker 1 was only slow
    assert oracle.end_order == [first.trial_id, third.trial_id, again.trial_id]
    assert {oracle.create_trial(f"worker {i}").status for i in (0, 2)} == {"STOPPED"}
    assert not oracle.ongoing_trials and not oracle.tuner_ids


def test_a_chief_started_again_leaves_trials_with_workers_that_live(served):
    make, clock = served
    first = make()
    kept, lost = first.create_trial("worker 0"), first.create_trial("worker 1")
    oracle = make()
    oracle.reload()
    assert oracle.create_trial("worker 2").trial_id not in (kept.trial_id, lost.trial_id)
    assert oracle.release_silent() == []
    clock[0] = 9
    end(oracle, kept)
    clock[0] = 11
    assert oracle.release_silent() == ["worker 1", "worker 2"]
    assert oracle.create_trial("worker 0").trial_id in (lost.trial_id, "2")
