"""A run's folder: who may use it, what is written, what starting over removes."""

import dataclasses
import fcntl
import json
import os
import platform
import re
import subprocess
import sys

import pytest

from keras_vit.files import replacing
from keras_vit.tasks.presets.classify import plain
from keras_vit.training.runs.folder import RunError, RunFolder


@dataclasses.dataclass(frozen=True)
class Options:
    epochs: int = 3
    image_size: tuple = (8, 16)
    output: str = dataclasses.field(default="unused", metadata={"identity": False})
    fresh: bool = dataclasses.field(default=False, metadata={"identity": False})


def contents(folder):
    return {str(each.relative_to(folder)): each.read_bytes() for each in folder.rglob("*") if each.is_file()}


def finished(path):
    """A folder as a whole run leaves it, with files of a person's own beside it."""
    folder = RunFolder(path, Options())
    folder.begin()
    folder.best_of(2).write_bytes(b"best")
    folder.state.write_bytes(b"state")
    folder.publish_best(2)
    folder.write_history([{"epoch": 1, "loss": 0.5}, {"epoch": 2, "loss": 0.25}])
    folder.curves.write_bytes(b"png")
    folder.result.write_text("{}")
    (folder.tensorboard / "train").mkdir(parents=True)
    (folder.tensorboard / "train" / "events.out.tfevents.1").write_bytes(b"events")
    trace = folder.tensorboard / "train" / "plugins" / "profile" / "2026_03_01_12_30_00"
    trace.mkdir(parents=True)
    (trace / "host.xplane.pb").write_bytes(b"trace")
    for each in folder.reported:
        each.write_text("counts")
    return folder


def test_same_options_open_the_folder_again_whatever_output_and_fresh_are(tmp_path):
    finished(tmp_path)
    again = RunFolder(tmp_path, Options(output="elsewhere", fresh=True))
    again.check()
    assert again.is_done()


def test_other_options_are_named_and_nothing_is_touched(tmp_path):
    finished(tmp_path)
    before = contents(tmp_path)
    said = (
        r"image_size is \[8, 16\] there and \[8, 8\] here; name another output \(--output\), or .* fresh \(--fresh\)$"
    )
    with pytest.raises(RunError, match=said):
        RunFolder(tmp_path, Options(image_size=(8, 8))).begin()
    assert contents(tmp_path) == before


def test_a_run_may_become_one_of_more_epochs_but_no_study_takes_it_for_one(tmp_path):
    folder, more = finished(tmp_path), RunFolder(tmp_path, Options(epochs=5))
    more.check()
    assert folder.is_done() and not more.is_done() and more.length() == 3
    with pytest.raises(RunError, match="epochs is 3 there and 5 here; name another output"):
        more.check_length()
    more.check_length(fresh=True)
    folder.check_length()
    more.check_done(5)
    with pytest.raises(
        RunError, match=r"of 6 epochs, which can't become one of 5; give epochs \(--epochs\) of 6 or more"
    ):
        more.check_done(6)
    more.begin()
    assert not folder.result.exists() and folder.best.exists() and folder.has_state()
    assert json.loads(folder.options.read_text())["options"]["epochs"] == 5


def test_a_kill_leaves_no_result_of_fewer_epochs_for_that_of_more(tmp_path, monkeypatch):
    finished(tmp_path)
    more = RunFolder(tmp_path, Options(epochs=5))
    monkeypatch.setattr("keras_vit.training.runs.folder.write_json", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        more.begin()
    assert not more.is_done() and more.length() == 3


def test_a_run_of_before_an_option_existed_had_its_default(tmp_path):
    folder = finished(tmp_path)
    told = json.loads(folder.options.read_text())
    del told["options"]["image_size"]
    folder.options.write_text(json.dumps(told))
    folder.check()
    with pytest.raises(RunError, match=r"image_size is \[8, 16\] there and \[8, 4\] here"):
        RunFolder(tmp_path, Options(image_size=(8, 4))).check()


def test_a_run_of_before_options_were_renamed_and_nested_goes_on(tmp_path):
    folder = finished(tmp_path)
    old = {"data": "cifar10", "batch": 32, "erasing": 0.25, "image_size": [8, 16], "mixup": 0.5}
    folder.options.write_text(json.dumps({"written_by": "keras_vit", "options": old}))
    same = {"data": "cifar10", "batch_size": 32, "random_erasing": 0.25, "image_size": (8, 16), "mixup": 0.5}
    RunFolder(tmp_path, plain().replace(**same)).check()
    with pytest.raises(RunError, match="options: batch_size is 32 there and 64 here; name"):
        RunFolder(tmp_path, plain().replace(**same | {"batch_size": 64})).check()


def test_a_run_of_another_task_is_refused_even_with_the_same_options(tmp_path):
    finished(tmp_path)
    RunFolder(tmp_path, plain()).begin(fresh=True)
    (tmp_path / "state" / "latest.npz").write_bytes(b"state")
    told = json.loads((tmp_path / "options.json").read_text())
    assert told["task"] == "classify"
    (tmp_path / "options.json").write_text(json.dumps(told | {"task": "depth"}))
    with pytest.raises(RunError, match="task is 'depth' there and 'classify' here"):
        RunFolder(tmp_path, plain()).check()


@pytest.mark.parametrize("fresh", [False, True])
@pytest.mark.parametrize("name", ["thesis.txt", "history.csv", "state/thesis.txt", "options.json"])
def test_a_folder_of_foreign_files_is_refused_untouched(tmp_path, name, fresh):
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).write_text("[1, 2]")
    before = contents(tmp_path)
    with pytest.raises(RunError, match=name.partition("/")[0]):
        RunFolder(tmp_path, Options()).begin(fresh)
    assert contents(tmp_path) == before


def test_a_run_that_completed_no_epoch_gives_way_to_another(tmp_path):
    RunFolder(tmp_path, Options(epochs=5)).begin()
    (tmp_path / "state" / "best-0001.keras").write_bytes(b"the state that names it was never written")
    (tmp_path / "notes.txt").write_text("mine")
    RunFolder(tmp_path, Options()).begin()
    assert set(contents(tmp_path)) == {"notes.txt", "options.json"}
    assert json.loads((tmp_path / "options.json").read_text())["options"]["epochs"] == 3


def test_a_file_in_the_place_of_the_folder_is_refused(tmp_path):
    (tmp_path / "run").write_text("mine")
    with pytest.raises(RunError, match="is a file; name a folder"):
        RunFolder(tmp_path / "run", Options()).check()


def test_fresh_removes_what_the_run_wrote_and_nothing_else(tmp_path):
    finished(tmp_path)
    own = ["notes.txt", "state/notes.txt", "tensorboard/notes.txt", "state/best-one.keras"]
    for name in own:
        (tmp_path / name).write_text("mine")
    RunFolder(tmp_path, Options(epochs=7)).begin(fresh=True)
    assert set(contents(tmp_path)) == {*own, "options.json"}
    assert json.loads((tmp_path / "options.json").read_text())["options"]["epochs"] == 7


def test_fresh_in_an_empty_place_just_begins(tmp_path):
    RunFolder(tmp_path / "a" / "b", Options()).begin(fresh=True)
    written = json.loads((tmp_path / "a" / "b" / "options.json").read_text())
    assert written == {"written_by": "keras_vit", "options": {"epochs": 3, "image_size": [8, 16]}}


def test_a_result_whose_model_was_removed_is_no_finished_run(tmp_path):
    finished(tmp_path).best.unlink()
    with pytest.raises(RunError, match="was removed; start over with fresh"):
        RunFolder(tmp_path, Options()).check()


def test_the_best_model_is_published_and_those_that_were_beaten_go(tmp_path):
    folder = RunFolder(tmp_path, Options())
    folder.begin()
    for epoch in (1, 3, 4):
        folder.best_of(epoch).write_bytes(b"%d" % epoch)
    for name in ("tmp-best-0003.keras", "tmp-0a1b2c3d-best-0002.keras", "my-best-0002.keras", "best-model.keras"):
        (folder.state.parent / name).write_bytes(b"half")
    folder.publish_best(4)
    folder.drop_models(but=[3, 4])
    own = {"my-best-0002.keras": b"half", "best-model.keras": b"half"}
    assert contents(tmp_path / "state") == own | {"best-0003.keras": b"3", "best-0004.keras": b"4"}
    assert folder.best.read_bytes() == b"4"


@pytest.mark.parametrize("old", [False, True])
def test_what_a_kill_left_goes_when_the_run_goes_on_and_nothing_else(tmp_path, old):
    finished(tmp_path).result.unlink()
    before = contents(tmp_path)
    mark = "" if old else "0a1b2c3d-"
    for name in ("history.csv", "best.keras", "curves.png", "state/latest.npz", "state/best-0003.keras"):
        path = tmp_path / name
        path.with_name(f"tmp-{mark}{path.name}").write_bytes(b"half")
    own = {"tmp-0a1b2c3d-thesis.txt": b"mine", "state/tmp-notes.npz": b"mine"}
    for name, held in own.items():
        (tmp_path / name).write_bytes(held)
    RunFolder(tmp_path, Options()).begin()
    assert contents(tmp_path) == before | own


def test_a_half_written_options_file_is_no_foreign_file(tmp_path):
    (tmp_path / "tmp-0a1b2c3d-options.json").write_text("{")
    RunFolder(tmp_path, Options()).check()


def test_a_finished_run_that_nobody_can_write_to_can_be_opened(tmp_path):
    finished(tmp_path)
    before = contents(tmp_path)
    RunFolder(tmp_path, Options()).begin()
    assert contents(tmp_path) == before


NO_LOCKS = """
import errno, fcntl
def unsupported(*_):
    raise OSError(errno.ENOSYS, "Function not implemented")
fcntl.flock = unsupported
"""


def held_elsewhere(path, start=""):
    """A process of its own that holds the folder of a run, until its stdin ends."""
    code = f"""{start}
import dataclasses, sys
from keras_vit.training.runs.lock import RunLock
from pathlib import Path
with RunLock(Path({str(path / "state")!r})).held():
    print("held", flush=True)
    sys.stdin.read()
"""
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    running = subprocess.Popen([sys.executable, "-c", code], **pipes)
    assert running.stdout.readline() == "held\n"
    return running


def test_one_process_at_a_time_works_in_a_folder_and_a_kill_ends_that(tmp_path):
    finished(tmp_path)
    other = held_elsewhere(tmp_path)
    folder = RunFolder(tmp_path, Options())
    said = f"in use by process {other.pid} on {re.escape(platform.node())}, since 20.*name another output"
    for fresh in (False, True):
        with pytest.raises(RunError, match=said):
            folder.check(fresh)
    with pytest.raises(RunError, match=said), folder.alone():
        pass
    other.kill()
    other.wait()
    folder.check()
    with folder.alone():
        folder.begin(fresh=True)
        with pytest.raises(RunError, match=f"in use by process {os.getpid()} on"):
            RunFolder(tmp_path, Options()).check()
    RunFolder(tmp_path, Options()).check()


@pytest.mark.filterwarnings("ignore:flock not supported")
def test_a_file_system_without_locks_keeps_a_second_process_out_too(tmp_path, monkeypatch):
    finished(tmp_path)
    other = held_elsewhere(tmp_path, NO_LOCKS)
    monkeypatch.setattr(fcntl, "flock", None)  # put back in the end
    exec(NO_LOCKS, {})
    for fresh in (False, True):
        with pytest.raises(RunError, match=f"in use by process {other.pid} on"):
            RunFolder(tmp_path, Options()).check(fresh)
    with pytest.raises(RunError, match="in use by"), RunFolder(tmp_path, Options()).alone():
        pass
    other.kill()
    other.wait()
    with RunFolder(tmp_path, Options()).alone():
        pass


def test_a_folder_without_a_run_is_not_made_by_looking_whether_it_is_taken(tmp_path):
    RunFolder(tmp_path / "run", Options()).check()
    assert not (tmp_path / "run").exists()


def test_a_write_that_fails_leaves_the_old_file(tmp_path):
    path = tmp_path / "file.json"
    path.write_text("old")
    with pytest.raises(OSError, match="disk full"), replacing(path) as partial:
        partial.write_text("ne")
        raise OSError("disk full")
    assert contents(tmp_path) == {"file.json": b"old"}


def test_files_that_a_task_reports_go_with_their_run(tmp_path):
    folder = RunFolder(tmp_path, plain())
    folder.begin()
    assert [each.name for each in folder.reported] == ["confusion.csv", "confusion.png"]
    for each in folder.reported:
        each.write_text("counts")
    folder.begin(fresh=True)
    assert not any(each.exists() for each in folder.reported)
