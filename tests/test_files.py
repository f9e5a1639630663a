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


@pytest.mark.parametrize("path", ["runs/1", "/tmp/a:b", "C:/runs", "a:b", Path("runs"), "gs", "runs/gs://x"])
def test_a_local_path_stays_as_it_is(path):
    assert files.local_path(path) == Path(path)
