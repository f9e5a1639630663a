"""Files are written whole or not at all, whoever else writes beside them."""

import os

import pytest

from keras_vit import files


def test_a_link_in_the_place_of_a_partial_file_is_not_followed(tmp_path, monkeypatch):
    victim, path = tmp_path / "victim", tmp_path / "file.json"
    victim.write_text("mine")
    monkeypatch.setattr("secrets.token_hex", lambda _: "0a1b2c3d")
    for name in ("tmp-file.json", "tmp-0a1b2c3d-file.json"):
        (tmp_path / name).symlink_to(victim)
    with pytest.raises(files.WriteError, match=r"file.json can't be written: File exists"):
        files.write_json(path, {"a": 1})
    monkeypatch.undo()
    files.write_json(path, {"a": 1})
    assert victim.read_text() == "mine" and files.read_json(path) == {"a": 1} and not path.is_symlink()


def test_a_file_that_is_written_can_be_read_by_whom_the_umask_lets(tmp_path):
    before = os.umask(0o027)
    try:
        files.write_json(tmp_path / "file.json", {})
    finally:
        os.umask(before)
    assert (tmp_path / "file.json").stat().st_mode & 0o777 == 0o640


def test_what_a_kill_leaves_beside_a_file_is_found_and_nothing_else(tmp_path):
    mine = ["tmp-file.json", "tmp-0a1b2c3d-file.json"]
    for name in (*mine, "file.json", "tmp-0a1b2c3d-other.json", "tmp-short-file.json", "my-tmp-file.json"):
        (tmp_path / name).write_text("")
    assert {each.name for each in files.leftovers(tmp_path / "file.json", tmp_path / "none.csv")} == {*mine}


@pytest.mark.parametrize("inside", ["none/file.json", "a-file/file.json"])
def test_a_place_that_cannot_be_written_to_is_named(tmp_path, inside):
    (tmp_path / "a-file").write_text("")
    with pytest.raises(files.WriteError, match="file.json can't be written: No"):
        files.write_json(tmp_path / inside, {})
