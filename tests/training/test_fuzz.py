"""Options, their files, command lines and saved states as nobody should give them: a sentence or a right answer."""

import json
import math
import os
import random
import warnings

import numpy as np
import pytest

from keras_vit import cli
from keras_vit.tasks.classify import Classify
from keras_vit.tasks.presets import classify as presets
from keras_vit.training import options_file
from keras_vit.training.options import Options, identity
from keras_vit.training.runs import images, resume, state
from keras_vit.training.runs.folder import RunError, RunFolder

pytestmark = pytest.mark.slow
PLAIN = presets.plain()
VALUES = [
    *(None, True, False, 0, 1, -1, 3, 7.5, -0.5, 0.25, 1e-300, 1e300, math.nan, math.inf, -math.inf, 2**70, 1j),
    *("", "nan", "none", "false", "1", "softmax", "auto", "\0", "\udce9", "é", "a" * 5000, "gs://b/c", "../x", "[red]"),
    *(
        b"x",
        (),
        (3,),
        (8, 8),
        (8, -8),
        (8, math.nan),
        ("a",),
        [3, 4],
        [[]],
        {},
        {"depth": 3},
        {"rate": math.nan},
        {1: 2},
    ),
    *(object(), Classify, Classify(), PLAIN, {3}, range(3), np.int64(3), np.float32(2), np.nan, np.zeros(3), np.True_),
]


def seeded(count):
    return pytest.mark.parametrize("seed", range(count))


def sentence(error):
    """Returns what the error says, which is a sentence for a person and no words of Python's own."""
    said = str(error)
    assert len(said) > 15 and not any(word in said for word in ("Traceback", "object has no attribute", "NoneType'"))
    return said


def is_plain(options):
    """Whether the options are what a file of them comes back as."""
    told = json.loads(json.dumps(identity(options), allow_nan=False))
    again = PLAIN.replace(**{name: value for name, value in told.items() if name != "task"})
    return identity(again) == identity(options)


@seeded(10)
def test_any_values_of_options_are_taken_whole_or_refused(seed):
    rng = random.Random(seed)
    for _ in range(60):
        names = rng.sample([*PLAIN.flat(), "data", "optim", "task", "unheard_of"], rng.choice((1, 1, 2, 3)))
        changes = {name: rng.choice(VALUES) for name in names}
        try:
            assert is_plain(PLAIN.replace(**changes)), changes
        except ValueError as error:
            assert any(name in sentence(error) for name in names), (changes, error)


def damaged(data, rng):
    """Returns bytes cut, flipped, doubled or replaced somewhere."""
    data, place = bytearray(data), rng.randrange(max(1, len(data)))
    kind = rng.choice(("cut", "flip", "flip", "flips", "zeros", "twice", "front"))
    if kind == "cut":
        return bytes(data[:place])
    if kind == "front":
        return bytes(data[place:])
    if kind == "twice":
        return bytes(data[:place] + data)
    for _ in range(1 if kind == "flip" else 9):
        data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
    if kind == "zeros":
        data[place : place + 50] = bytes(min(50, len(data) - place))
    return bytes(data)


@seeded(10)
def test_any_file_of_options_is_read_or_refused_by_its_name(seed, tmp_path):
    rng, file = random.Random(seed), tmp_path / "options.json"
    whole = {"written_by": "keras_vit", "task": "classify", "options": presets.digits().flat()}
    for _ in range(40):
        told = dict(whole["options"])
        for name in rng.sample(sorted(told), 2):
            told[name] = rng.choice([each for each in VALUES if _is_json(each)])
        text = json.dumps(whole | {"options": told}, indent=rng.choice((None, 2))).encode()
        file.write_bytes(rng.choice((text, damaged(text, rng), json.dumps(told).encode())))
        try:
            assert isinstance(options_file.read(file, PLAIN), Options)
        except ValueError as error:
            assert sentence(error).startswith(f"options {str(file)!r}")


def _is_json(value):
    try:
        json.dumps(value)
    except TypeError:
        return False
    return True


@seeded(6)
def test_any_command_line_is_taken_or_answered_in_one_line(seed, capsys):
    rng = random.Random(seed)
    words = [
        *VALUES[9:15],
        "",
        "nan",
        "inf",
        "-1",
        "0",
        "3",
        "7.5",
        "false",
        "a=b",
        "depth=nan",
        "pre_norm=no",
        "=",
        "--",
    ]
    for _ in range(15):
        line = []
        for name in rng.sample([*PLAIN.flat(), "preset", "unheard-of", "options"], rng.choice((1, 2, 3))):
            line += [f"--{name.replace('_', '-')}", *(str(rng.choice(words)) for _ in range(rng.choice((0, 1, 1, 2))))]
        try:
            assert isinstance(cli.parse(presets.PRESETS, "Trains.", line, Options[Classify]), Options), line
        except SystemExit as stopped:
            said = capsys.readouterr().err
            assert stopped.code == 2 and said.startswith("error: ") and said.count("\n") == 1, (line, said)


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """A folder of a run with two states, of epochs 1 and 2, and the models that they name; files {name: bytes}."""
    folder = RunFolder(tmp_path_factory.mktemp("run"), PLAIN)
    folder.begin()
    rows = [{"epoch": epoch, "val_accuracy": epoch / 3, "val_loss": 1.0} for epoch in (1, 2)]
    for epoch in (1, 2):
        np.savez(folder.best_of(epoch).with_suffix(".npz"), np.arange(99))
        os.replace(folder.best_of(epoch).with_suffix(".npz"), folder.best_of(epoch))
        progress = json.dumps({"format": state.FORMAT, "epochs": epoch, "rows": rows[:epoch], "best": rows[epoch - 1]})
        arrays = {"model/kernel": np.full((5, 7), float(epoch)), "optimizer/iterations": np.array(epoch)}
        state.save(folder.state, arrays | {"progress": np.array(progress)}, folder.earlier)
    ids = {"train": ["a", "b"], "validation": ["c"], "test": ["d"]}
    record = {
        "data": "x",
        "names": {"label": ["p", "q"]},
        "sizes": {"train": 2, "validation": 1, "test": 1},
        "ids": ids,
    }
    folder.images.write_text(json.dumps(record))
    return folder, {each: each.read_bytes() for each in folder.kept()}


@pytest.fixture
def run(saved):
    """The same folder with all its files whole."""
    folder, held = saved
    for path, data in held.items():
        path.write_bytes(data)
    return folder


@seeded(20)
def test_any_damage_of_saved_states_is_seen_or_changes_nothing(seed, run, saved):
    rng = random.Random(seed)
    for _ in range(20):
        for path, data in saved[1].items():
            path.write_bytes(data)
        paths = rng.sample([run.state, run.state, run.earlier, run.best_of(1), run.best_of(2)], rng.choice((1, 2)))
        for path in paths:
            path.write_bytes(damaged(path.read_bytes(), rng))
        with warnings.catch_warnings(record=True) as told:
            warnings.simplefilter("always")
            try:
                found = resume.find(run)
            except (RunError, state.StateError) as error:
                assert str(run.path) in sentence(error)
                continue
        epoch = found.progress.epochs
        assert (epoch == 2) or any("goes on from the state before it" in str(each.message) for each in told)
        assert found.path == (run.state if epoch == 2 else run.earlier) and len(found.progress.rows) == epoch
        np.testing.assert_array_equal(found.arrays["model/kernel"], np.full((5, 7), float(epoch)))
        assert int(found.arrays["optimizer/iterations"]) == epoch


@seeded(10)
def test_any_damage_of_what_a_run_tells_of_itself_is_seen_or_changes_nothing(seed, run, saved):
    rng = random.Random(seed)
    for _ in range(20):
        for path in (run.options, run.images):
            path.write_bytes(rng.choice((damaged(saved[1][path], rng), saved[1][path], b"")))
        for look in (lambda: RunFolder(run.path, PLAIN).check(), lambda: images._read(run.images)):
            try:
                look()
            except RunError as error:
                sentence(error)
