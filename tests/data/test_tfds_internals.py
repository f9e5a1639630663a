"""Canaries: each private name of TensorFlow Datasets does what we take it for."""

import hashlib

import pytest
import tensorflow_datasets as tfds

from keras_vit.data import tfds_internals

URL = "http://127.0.0.1:9/ants.tar"


def test_unknown_data_set_raises_the_error_that_we_catch():
    with pytest.raises(tfds_internals.UnknownDataset):
        tfds.builder("there_is_no_such_data_set")


def manager(folder, checksum):
    """Returns what downloads for a data set called ants into `folder`, and finds by hand what lies in folder/manual."""
    expected = tfds.core.download.checksums.UrlInfo(size=7, checksum=checksum, filename="ants.tar")
    return tfds.download.DownloadManager(
        download_dir=str(folder), manual_dir=str(folder / "manual"), url_infos={URL: expected}, dataset_name="ants"
    )


def test_wrong_checksum_raises_the_error_that_we_catch(tmp_path):
    (tmp_path / "manual").mkdir()
    (tmp_path / "manual" / "ants.tar").write_bytes(b"archive")
    with pytest.raises(tfds_internals.WrongChecksum):
        manager(tmp_path, "0" * 64).download(URL)


def test_a_download_is_found_by_the_name_that_we_look_for(tmp_path):
    checksum = hashlib.sha256(b"archive").hexdigest()
    file = tmp_path / "ants" / tfds_internals.file_of(URL, checksum)
    file.parent.mkdir()
    file.write_bytes(b"archive")
    file.with_name(file.name + ".INFO").write_text("{}")
    assert str(manager(tmp_path, checksum).download(URL)) == str(file)  # without a request: nothing answers there
