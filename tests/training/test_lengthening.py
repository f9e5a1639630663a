"""A run goes on to more epochs than it was asked for: from its last state, on the schedule of these."""

import csv
import shutil
from pathlib import Path

import numpy as np
import pytest
from kit.killed import Seen, terminate
from kit.runs import CHANCE, SMOKE, assert_ended_alike, result_of, state_of

from keras_vit import files
from keras_vit.training.runs.folder import RunError
from keras_vit.training.train import train

STEPS = 8  # in an epoch
RATE, WARMUP = SMOKE.optim.learning_rate, 4  # steps


def contents(folder):
    own = {each for each in Path(folder).rglob("*") if each.is_file() and each.name not in ("lock", "holder.json")}
    return {each: each.read_bytes() for each in own}


def cosine(step, epochs):
    """The rate after `step` steps (past the warm-up) of a training of `epochs` (Loshchilov & Hutter 2017)."""
    return RATE / 2 * (1 + np.cos(np.pi * (step - WARMUP) / (epochs * STEPS - WARMUP)))


@pytest.fixture(scope="module")
def two(tmp_path_factory):
    """The options of a run of two epochs that is done."""
    root = tmp_path_factory.mktemp("lengthening")
    options = SMOKE.replace(
        model_options=CHANCE, mixup=0.4, ema=0.9, train_fraction=0.2, batch_size=32, save_every=3,
        data_dir=str(root / "data"), output=str(root / "two"),
    )  # fmt: skip
    train(options)
    return options


@pytest.fixture(scope="module")
def four(two):
    """The options of the same run, gone on to four epochs; what it said; and what it returned."""
    options = two.replace(epochs=4, output=str(Path(two.run.output).with_name("four")))
    shutil.copytree(two.run.output, options.run.output)
    return options, train(options)


def test_a_run_that_is_done_goes_on_to_more_epochs(two, four, capsys):
    options, result = four
    told, before = result_of(options.run.output), result_of(two.run.output)
    with open(Path(options.run.output, "history.csv"), newline="") as file:
        rows = [{key: float(value) for key, value in row.items()} for row in csv.DictReader(file)]
    with open(Path(two.run.output, "history.csv"), newline="") as file:
        first = [{key: float(value) for key, value in row.items()} for row in csv.DictReader(file)]
    assert rows[:2] == first and [row["epoch"] for row in rows] == [1, 2, 3, 4] and result.rows == rows
    rates = [cosine(STEPS, 2), 0, cosine(3 * STEPS, 4), 0]
    np.testing.assert_allclose([row["learning_rate"] for row in rows], rates, rtol=1e-5, atol=1e-9)
    best = max(rows, key=lambda row: (row["val_accuracy"], -row["val_loss"]))
    assert told["best"] == best == result.best
    assert told["schedules"] == [
        {"epochs": 2, "after_epoch": 0, "after_step": 0},
        {"epochs": 4, "after_epoch": 2, "after_step": 0},
    ]
    assert before["schedules"] == told["schedules"][:1] and told["options"]["epochs"] == 4
    assert told["started"] == before["started"] and told["seconds"] > before["seconds"]
    assert int(state_of(options.run.output)["optimizer/iteration"]) == 4 * STEPS
    assert files.read_json(Path(options.run.output, "options.json"))["options"]["epochs"] == 4
    train(options)
    assert "is done; with more epochs it goes on, fresh (--fresh) starts over" in capsys.readouterr().out


def test_fewer_epochs_than_are_done_are_refused_and_nothing_is_touched(two, four):
    options, _ = four
    before = contents(options.run.output)
    with pytest.raises(
        RunError, match=r"a run of 4 epochs, which can't become one of 3; give epochs \(--epochs\) of 4"
    ):
        train(options.replace(epochs=3))
    with pytest.raises(RunError, match="seed is 0 there and 5 here"):
        train(options.replace(epochs=5, seed=5))
    assert contents(options.run.output) == before


@pytest.mark.slow
def test_what_is_added_ends_as_if_it_never_was_killed(two, four, tmp_path, capsys):
    options = four[0].replace(output=str(tmp_path / "it's four"))
    shutil.copytree(two.run.output, options.run.output)
    for step in (2, STEPS + 2):  # before the first state that is saved of it, and within its second epoch
        with pytest.raises(SystemExit if step > STEPS else KeyboardInterrupt):
            train(options, [Seen(step, terminate if step > STEPS else interrupt)])
    said = capsys.readouterr().out
    first, second = (part for part in said.split("it's four goes on at ")[1:])
    best = result_of(two.run.output)["best"]
    assert first.startswith(f"epoch 3 of 4, with the best so far val accuracy {best['val_accuracy']:.2%} of epoch")
    jump = f"the schedule of 4, and goes from 0 to {cosine(2 * STEPS, 4):.2g}\n"
    for part in (first, second):
        assert "it was a run of 2 epochs and is one of 4: from here on the learning rate follows " + jump in part
    train(options)
    said = capsys.readouterr().out
    assert "goes on at epoch 4 of 4, step 3 of 8, with the best so far" in said and "it was a run" not in said
    run = f"'{tmp_path}/it'\"'\"'s four'"
    assert said.splitlines()[-2:] == [f"  keras-vit predict {run} new.jpg", f"  keras-vit export {run}"]
    assert_ended_alike(options.run.output, four[0].run.output)
    assert result_of(options.run.output)["schedules"] == result_of(four[0].run.output)["schedules"]


@pytest.mark.slow
def test_a_run_that_is_not_done_goes_on_to_other_epochs_within_an_epoch(two, tmp_path, capsys):
    options = two.replace(output=str(tmp_path / "run"))
    with pytest.raises(SystemExit):
        train(options, [Seen(STEPS + 4, terminate)])
    capsys.readouterr()
    result = train(options.replace(epochs=3))
    said, step = capsys.readouterr().out, STEPS + 4
    assert "goes on at epoch 2 of 3, step 5 of 8, with the best so far" in said
    assert f"goes from {cosine(step, 2):.2g} to {cosine(step, 3):.2g}\n" in said
    rates = [cosine(STEPS, 2), cosine(2 * STEPS, 3), 0]
    np.testing.assert_allclose([row["learning_rate"] for row in result.rows], rates, rtol=1e-5, atol=1e-9)
    assert result_of(options.run.output)["schedules"][1] == {"epochs": 3, "after_epoch": 1, "after_step": 4}


def interrupt():
    raise KeyboardInterrupt


@pytest.mark.slow
def test_what_a_run_has_chosen_stays_when_it_goes_on_to_more_epochs(two):
    """A warm-up of a tenth of the new epochs would be another run's."""
    options = two.replace(batch_size=None, warmup_epochs=None, epochs=1, output=f"{two.run.output}-chosen")
    first = train(options)
    longer = train(options.replace(epochs=3))
    assert longer.rows[: len(first.rows)] == first.rows and len(longer.rows) == 3
    kept = [files.read_json(Path(options.run.output, name))["options"] for name in ("options.json", "result.json")]
    assert [(each["warmup_epochs"], each["batch_size"]) for each in kept] == 2 * [(0.1, 16)]
