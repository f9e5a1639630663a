"""What becomes of trials that fail, end their process, or are stopped: the search goes on."""

import collections
from pathlib import Path

import pytest
from kit.tuning_program import SPACE, Killed, train

from keras_vit import files
from keras_vit.recipes.tune_classifier import tune

pytestmark = pytest.mark.slow
ERRORS = [ValueError("this can't be"), MemoryError(), ZeroDivisionError("oh"), RuntimeError("OOM when allocating\n#")]


def test_failing_trials_are_told_and_the_search_goes_on(search, capsys):
    def failing(options, callbacks=()):
        number = int(Path(options.run.output).name)
        if 1 <= number <= len(ERRORS):
            raise ERRORS[number - 1]
        return train(options)

    _, rows = tune(search, failing)
    failures = {row.number: row.failure for row in rows if row.failure is not None}
    assert failures == {
        1: "this can't be",
        2: "MemoryError: ",
        3: "oh",
        4: "RuntimeError: OOM when allocating",
    }
    assert [row.number for row in rows[3:]] == [1, 2, 3, 4] and rows[0].number in (0, 5, 6)
    assert "2/7 trial 1 failed (this can't be)" in capsys.readouterr().out


def test_a_search_whose_default_fails_still_finds_the_best(search, capsys):
    wild = search.replace(learning_rate=0.9)
    _, rows = tune(wild, train)
    assert rows[-1].number == 0 and "finite" in rows[-1].failure
    assert "the default options failed (the loss (nan)" in capsys.readouterr().out


def test_a_search_all_of_whose_trials_fail_says_why(search):
    with pytest.raises(ValueError, match=r"all 7 trials failed, the first with: .*finite"):
        tune(search.replace(learning_rate=0.9, space={**SPACE, "learning_rate": (0.8, 0.9)}), train)


def test_bayesian_optimization_learns_from_failures(search):
    """Without that it would propose the very point again whose failure left no trace."""

    def failing(options, callbacks=()):
        if options.model.options.get("drop_path", 0) > 0.1:
            raise ValueError("too much is dropped")
        return train(options)

    _, rows = tune(search.replace(search="bayesian", trials=12), failing)
    late = [row for row in rows if row.number >= 6]
    assert sum(row.failure is not None for row in late) <= len(late) / 2 and rows[0] in late
    points = [tuple(sorted(row.values.items())) for row in rows]
    assert len(set(points)) == len(points)


def test_failures_don_t_starve_hyperband(search):
    def failing(options, callbacks=()):
        if int(Path(options.run.output).name) in (2, 3, 5, 7, 9):
            raise ValueError("no")
        return train(options)

    _, rows = tune(search.replace(search="hyperband", epochs=9, warmup_epochs=0.0), failing)
    assert collections.Counter(row.epochs for row in rows) == {1: 9, 3: 3 + 5, 9: 1 + 1 + 2 + 3}


def test_a_trial_that_kills_its_process_is_given_up_after_three_starts(search):
    def deadly(options, callbacks=()):
        if Path(options.run.output).name == "2":
            raise Killed  # as the kernel does when memory runs out
        return train(options)

    for _ in range(3):
        with pytest.raises(Killed):
            tune(search, deadly)
    _, rows = tune(search, deadly)
    assert len(rows) == 7
    assert [row.number for row in rows if row.failure and "ended again and again" in row.failure] == [2]


def test_a_trial_that_was_stopped_by_hand_or_got_on_is_not_given_up(search):
    def slow(options, callbacks=()):
        if Path(options.run.output).name == "2" and len(stops) < 9:
            stops.append(1)
            if len(stops) % 2:
                raise KeyboardInterrupt
            Path(options.run.output).mkdir(exist_ok=True, parents=True)
            with open(Path(options.run.output, "history.csv"), "a") as history:
                history.write("an epoch\n")
            raise Killed
        Path(options.run.output, "history.csv").unlink(missing_ok=True)
        return train(options)

    stops = []
    for _ in range(9):
        with pytest.raises((KeyboardInterrupt, Killed)):
            tune(search, slow)
    assert all(row.failure is None for row in tune(search, slow)[1])


@pytest.mark.parametrize("end", [KeyboardInterrupt, SystemExit, files.WriteError])
def test_a_trial_that_was_stopped_or_met_a_full_disk_goes_on_in_its_folder(search, end):
    def ending(options, callbacks=()):
        if Path(options.run.output).name == "3" and len(ends) < 5:
            ends.append(options)
            raise end
        return train(options)

    ends = []
    for _ in range(5):
        with pytest.raises(end):
            tune(search, ending)
    _, rows = tune(search, ending)
    assert all(row.failure is None for row in rows) and len({each.run.output for each in ends}) == 1
