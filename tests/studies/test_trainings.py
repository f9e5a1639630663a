"""Trainings side by side are processes of one core each, which end with the one that started them."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from kit.side_by_side import note, refuse, trainings

from keras_vit.studies.networks.trainings import train_all

pytestmark = pytest.mark.slow


def test_trainings_one_after_the_other_print_what_they_do(tmp_path, capsys):
    train_all(note, trainings(tmp_path, 2))
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "network 0" and lines[1].startswith(f"{os.getpid()} ") and lines[1].endswith("out-0")
    assert lines[2] == "1 of 2 trainings done: network 0" and len(lines) == 6


def test_trainings_side_by_side_have_a_process_of_one_thread_and_a_file_each(tmp_path, capsys):
    train_all(note, trainings(tmp_path, 3), processes=2)
    printed = capsys.readouterr().out.splitlines()
    assert sorted(line.partition(": ")[2] for line in printed) == [f"network {i}" for i in range(3)]
    assert [line.partition(" trainings")[0] for line in printed] == ["1 of 3", "2 of 3", "3 of 3"]
    for i in range(3):
        what, told = (tmp_path / f"out-{i}.txt").read_text().splitlines()
        process, threads, name = told.split()
        assert what == f"network {i}" and int(process) != os.getpid() and (threads, name) == ("1", f"out-{i}")


def test_error_of_one_training_is_raised_as_it_is(tmp_path):
    with pytest.raises(ValueError, match="out-0 can't be met"):
        train_all(refuse, trainings(tmp_path, 1), processes=2)


def test_sigterm_ends_the_trainings_too(tmp_path):
    program = (
        "import sys; sys.path.insert(0, sys.argv[1])\n"
        "from pathlib import Path\n"
        "from kit.side_by_side import trainings, wait\n"
        "from keras_vit.studies.networks.trainings import train_all\n"
        "train_all(wait, trainings(Path(sys.argv[2]), 2), processes=2)"
    )
    running = subprocess.Popen([sys.executable, "-c", program, Path(__file__).parents[1], tmp_path])
    until = time.monotonic() + 120
    while len(pids := list(tmp_path.glob("*.pid"))) < 2:
        assert running.poll() is None and time.monotonic() < until
        time.sleep(0.2)
    running.terminate()
    assert running.wait(60) == 128 + signal.SIGTERM
    for each in pids:
        deadline = time.monotonic() + 30
        while Path(f"/proc/{each.read_text()}").exists():
            assert time.monotonic() < deadline, "a training goes on alone"
            time.sleep(0.2)
