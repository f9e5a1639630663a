"""Paths that a person gives."""

from pathlib import Path

import pytest

from keras_vit import files


@pytest.mark.parametrize(
    "path", ["gs://bucket/run", Path("gs://bucket/run"), "s3://b", "hdfs://b/c", "file:///tmp/x", "abfs+x://b"]
)
def test_an_address_is_no_local_path(path):
    with pytest.raises(ValueError, match="is no path of this machine"):
        files.local_path(path)


def test_nothing_is_written_to_an_address(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ValueError, match="'s3://b/x.json' is no path of this machine"):
        files.write_json("s3://b/x.json", {})
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("path", ["runs/1", "/tmp/a:b", "C:/runs", "a:b", Path("runs"), "gs", "runs/gs://x"])
def test_a_local_path_stays_as_it_is(path):
    assert files.local_path(path) == Path(path)
