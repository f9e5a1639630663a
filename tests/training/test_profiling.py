"""Which steps are profiled, and where the trace lands."""

import re

import keras
import numpy as np
import pytest
import tensorflow as tf
from tensorflow.tsl.profiler.protobuf import xplane_pb2

from keras_vit.training.monitor.profiling import Profile
from keras_vit.training.options import profiled_steps


def fit(profile, steps_per_execution=1):
    """Trains a small model for two epochs of 7 steps."""
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])
    model.compile("sgd", "mse", steps_per_execution=steps_per_execution)
    data = tf.data.Dataset.from_tensors((np.ones((5, 3)), np.ones((5, 2)))).repeat()
    model.fit(data, epochs=2, steps_per_epoch=7, verbose=0, callbacks=[profile])


def steps_in(folder):
    """Returns the numbers of the steps that the only trace below `folder` marks."""
    (path,) = folder.glob("train/plugins/profile/*/*.xplane.pb")
    found = []
    for plane in xplane_pb2.XSpace.FromString(path.read_bytes()).planes:
        for event in (event for line in plane.lines for event in line.events):
            if plane.event_metadata[event.metadata_id].name == "train":
                told = {plane.stat_metadata[each.metadata_id].name: each.int64_value for each in event.stats}
                found.append(told["step_num"])
    return sorted(found)


def test_the_steps_asked_for_are_recorded_over_the_end_of_an_epoch(tmp_path, capsys):
    fit(Profile("6,9", tmp_path))
    assert steps_in(tmp_path) == [6, 7, 8, 9]
    said = capsys.readouterr().out
    assert said.startswith("profiled the steps 6 to 9") and f"tensorboard --logdir {tmp_path}" in said


def test_an_execution_of_several_steps_is_recorded_as_a_whole(tmp_path, capsys):
    fit(Profile("9,9", tmp_path), steps_per_execution=7)
    assert capsys.readouterr().out.startswith("profiled the steps 8 to 14")
    assert steps_in(tmp_path) == [8]


def test_a_training_that_ends_early_says_so_and_keeps_what_there_is(tmp_path, capsys):
    fit(Profile("13,99", tmp_path / "a"))
    assert steps_in(tmp_path / "a") == [13, 14]
    capsys.readouterr()
    fit(Profile("50,60", tmp_path / "b"))
    assert capsys.readouterr().out == (
        "nothing was profiled: this start had 14 steps, and the first to profile is 50\n"
    )
    assert not (tmp_path / "b").exists()


def test_a_profiler_that_runs_already_costs_the_profile_and_not_the_training(tmp_path, capsys):
    tf.profiler.experimental.start(str(tmp_path / "other"))
    try:
        fit(Profile("2,3", tmp_path / "own"))
    finally:
        tf.profiler.experimental.stop(save=False)
    assert capsys.readouterr().out == "nothing is profiled: Another profiler is running.\n"


def test_a_worker_that_is_not_the_chief_records_and_says_nothing(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("keras_vit.training.devices.cluster.is_chief", lambda strategy: False)
    fit(Profile("2,3", tmp_path))
    assert list(tmp_path.iterdir()) == [] and capsys.readouterr().out == ""


def test_steps_are_a_pair_or_a_count_after_the_warm_up():
    assert (profiled_steps("20,25"), profiled_steps("5")) == ((20, 25), (11, 15))


@pytest.mark.parametrize("profile", ["", "0", "0,3", "5,3", "5-7", "five", "1,2,3", "-1"])
def test_what_names_no_steps_is_refused(profile):
    with pytest.raises(ValueError, match=re.escape(f"profile={profile!r} is neither a count of steps such as 5 nor")):
        profiled_steps(profile)
