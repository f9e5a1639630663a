"""The search: it begins with the default, and goes on after any kill."""

import collections
import csv
import itertools
import json
import subprocess
import sys
import time
from pathlib import Path

import pytest
from kit import tuning_program
from kit.tuning_program import SPACE, Killed, accuracy_of, starts_of, train, value

from keras_vit import files
from keras_vit.recipes.tune_classifier import tune
from keras_vit.training.task import Monitor
from keras_vit.tuning import tune as tuning
from keras_vit.tuning import tuner

pytestmark = pytest.mark.slow


def tried(rows):
    """{trial: what it tried and what that came to}."""
    return {row.number: row for row in rows}


def asked_of(output, row):
    return json.loads(Path(output, "trials", str(row.number), "options.json").read_text())["options"]


@pytest.mark.parametrize("algorithm", ["random", "bayesian"])
def test_a_search_beats_the_default_and_says_by_how_much(search, algorithm, capsys):
    best, rows = tune(search.replace(search=algorithm), train)
    base = search.training
    default = next(row for row in rows if not row.number)
    assert len(rows) == 7 and value(rows[0]) == max(value(row) for row in rows)
    assert asked_of(search.training.run.output, default)["learning_rate"] == base.optim.learning_rate
    assert value(default) == accuracy_of(base) < value(rows[0])
    assert best == asked_of(search.training.run.output, rows[0])
    found = base.replace(**{**best, "output": "x"})
    assert accuracy_of(found) == value(rows[0])
    said = capsys.readouterr().out
    best, start = value(rows[0]), value(default)
    assert f"reaches val accuracy {best:.2%} ({best - 0.01:.2%} on test), the default options" in said.replace(
        "\n", " "
    )
    assert f"val accuracy {start:.2%} ({start - 0.01:.2%} on test)." in said
    assert said.count("\n") < 40 and "7/7 trial 6: val accuracy" in said


def test_bayesian_optimization_comes_closer_than_its_random_beginning(search):
    _, rows = tune(search.replace(search="bayesian", trials=12), train)
    first = [row for row in rows if row.number < 4]  # a third of 12
    then = [row for row in rows if row.number >= 4]
    assert max(value(row) for row in then) > max(value(row) for row in first)
    assert sum(value(row) for row in then) / len(then) > sum(value(row) for row in first) / len(first)


def test_files_tell_all_trials_the_best_options_and_a_picture(search):
    best, rows = tune(search, train)
    output = Path(search.training.run.output)
    assert json.loads((output / "best-options.json").read_text()) == {
        "written_by": "keras_vit",
        "task": "classify",
        "options": best,
    }
    with open(output / "leaderboard.csv", newline="") as file:
        told = list(csv.DictReader(file))
    assert [int(each["trial"]) for each in told] == [row.number for row in rows]
    assert [float(each["val_accuracy"]) for each in told] == sorted((value(row) for row in rows), reverse=True)
    assert {float(each["learning_rate"]) for each in told} == {row.values["learning_rate"] for row in rows}
    assert (output / "parallel-coordinates.png").read_bytes().startswith(b"\x89PNG")
    assert json.loads((output / "result.json").read_text())["trials"] == 7


def test_the_seed_decides_what_is_tried(search, tmp_path):
    runs = [
        tune(search.replace(seed=seed, output=str(tmp_path / str(i))), train)[1] for i, seed in enumerate((3, 3, 4))
    ]
    assert tried(runs[0]) == tried(runs[1])
    assert tried(runs[0])[0] == tried(runs[2])[0] and tried(runs[0])[1] != tried(runs[2])[1]


@pytest.mark.parametrize("algorithm", ["random", "bayesian", "hyperband"])
def test_a_search_killed_at_every_few_files_ends_as_if_it_never_was(search, algorithm, tmp_path, monkeypatch):
    monkeypatch.setattr(tuner, "STARTS", 99)  # which it would take for a trial that ends its process
    search = search.replace(search=algorithm, epochs=3, warmup_epochs=1.0, trials=5)
    expected = tried(tune(search.replace(output=str(tmp_path / "whole")), train)[1])
    kills, replace = 0, files.os.replace

    def fragile(a, b):
        nonlocal left
        left -= 1
        if left < 0:
            raise Killed
        replace(a, b)

    for allowed in itertools.cycle((2, 1, 4, 3, 0, 5)):
        left = allowed
        monkeypatch.setattr(files.os, "replace", fragile)
        try:
            _, rows = tune(search, train)
            break
        except Killed:
            kills += 1
        assert kills < 100
    assert kills > 4
    assert tried(rows) == expected


def test_a_search_that_is_done_answers_at_once_and_more_trials_go_on(search, capsys):
    _, rows = tune(search, train)
    capsys.readouterr()
    assert tried(tune(search, None)[1]) == tried(rows)
    assert "trial" not in capsys.readouterr().out.partition("trials, on validation")[0]
    _, more = tune(search.replace(trials=9), train)
    assert len(more) == 9 and tried(rows).items() <= tried(more).items()
    assert all(starts_of(search.training.run.output, number) == 1 for number in range(9))
    _, anew = tune(search.replace(trials=2, fresh=True, seed=8), train)
    assert len(anew) == 2


def test_another_search_in_the_folder_is_refused_and_left_alone(search, tmp_path):
    tune(search, train)
    before = {each: each.read_bytes() for each in Path(search.training.run.output).rglob("*") if each.is_file()}
    with pytest.raises(ValueError, match=r"holds a search with other options: .*seed is 0 there and 5 here"):
        tune(search.replace(seed=5), train)
    assert before == {each: each.read_bytes() for each in before}
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "letter.txt").write_text("mine")
    with pytest.raises(ValueError, match=r"letter\.txt"):
        tune(search.replace(output=str(tmp_path / "full"), fresh=True), train)
    assert (tmp_path / "full" / "letter.txt").exists()


def test_hyperband_trains_the_best_of_many_for_longer(search):
    """Li et al. 2018, table 1, for 9 epochs and a third kept; keras_tuner rounds what it keeps up."""
    seen = {}

    def noting(options, callbacks=()):
        seen[Path(options.run.output).name] = options
        return train(options)

    _, rows = tune(search.replace(search="hyperband", epochs=9, warmup_epochs=3.0), noting)
    epochs = {number: seen[str(number)].optim.epochs for number in range(len(rows))}
    assert epochs[0] == 9
    first = {number: epochs[number] for number in range(1, 14)}
    assert collections.Counter(first.values()) == {1: 9, 3: 3, 9: 1}
    assert collections.Counter(epochs.values()) == {1: 9, 3: 3 + 5, 9: 1 + 1 + 2 + 3}
    assert all(options.optim.warmup_epochs == options.optim.epochs / 3 for options in seen.values())
    accuracy = {row.number: value(row) for row in rows}
    bracket = {length: [n for n, each in first.items() if each == length] for length in (1, 3, 9)}
    for short, long in ((1, 3), (3, 9)):
        rate = [seen[str(n)].optim.learning_rate for n in bracket[short]]
        by_merit = sorted(zip(bracket[short], rate, strict=True), key=lambda each: -accuracy[each[0]])
        kept = {seen[str(n)].optim.learning_rate for n in bracket[long]}
        assert kept == {each for _, each in by_merit[: len(kept)]}


def test_a_number_that_is_to_fall_is_minimised(search):
    """The search knows nothing of what is learned but the monitor."""
    search = search.replace(search="bayesian", trials=9)
    _, rows = tuning.tune(search, train, Monitor("val_loss", "min"))
    assert [row.best["val_loss"] for row in rows] == sorted(row.best["val_loss"] for row in rows)
    assert rows[0].number >= 3  # of the Gaussian process, after three at random
    assert json.loads(Path(search.training.run.output, "result.json").read_text())["best"] == rows[0].number


@pytest.mark.parametrize("algorithm", ["random", "hyperband"])
def test_processes_share_a_search_and_the_trial_of_a_killed_one_goes_to_another(search, algorithm, tmp_path):
    changes = {"search": algorithm, "epochs": 9, "warmup_epochs": 1.0, "trials": 9, "space": SPACE}
    changes |= {"learning_rate": search.training.optim.learning_rate, "data_dir": search.training.data.data_dir}
    _, expected = tune(search.replace(**changes), train)
    output = tmp_path / "shared"
    program = [sys.executable, tuning_program.__file__, json.dumps(changes | {"output": str(output)})]
    first = subprocess.Popen(program, stdout=subprocess.DEVNULL)
    while not (output / "trials" / "1").exists():  # which it would train for long
        assert first.poll() is None
        time.sleep(0.1)
    with pytest.raises(ValueError, match="is in use by another process"):
        tune(search.replace(**changes, output=str(output), fresh=True), None)
    other = subprocess.Popen(program, stdout=subprocess.PIPE, text=True)
    while not (output / "trials" / "5").exists():
        time.sleep(0.1)
    first.kill()
    said, _ = other.communicate(timeout=120)
    assert other.returncode == 0 and "trial 1: val accuracy" in said and "the best model" in said
    _, rows = tune(search.replace(**changes, output=str(output)), None)
    assert {starts_of(output, row.number) for row in rows} == {1} and not any(row.failure for row in rows)
    assert collections.Counter(row.epochs for row in rows) == collections.Counter(row.epochs for row in expected)
    if algorithm == "random":  # what is proposed does not depend on the order in which trials end
        assert tried(rows) == tried(expected)


def test_a_search_of_an_older_version_is_refused(search):
    tune(search, train)
    Path(search.training.run.output, "oracle").mkdir()
    with pytest.raises(ValueError, match="holds a search of an older version; start over with fresh"):
        tune(search, None)
    assert len(tune(search.replace(fresh=True), train)[1]) == 7


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"model": "vit-ti61"}, "did you mean 'vit-ti16'"),
        ({"space": {"dept": (1, 2)}}, "'dept'"),
        ({"trials": 1}, "trials is at least 2"),
        ({"search": "grid"}, "no search 'grid'; it is one of random, bayesian, hyperband"),
        ({"strategy": "multiworker"}, "to train several trials at once"),
        ({"data": "digitz"}, "digitz"),
    ],
)
def test_what_cannot_be_met_is_refused_before_anything_is_written(search, changes, sentence):
    with pytest.raises(ValueError, match=sentence):
        tune(search.replace(**changes), None)
    assert not Path(search.training.run.output).exists()
