"""Data sets that are downloaded, and what is said where they can't be."""

import contextlib
import hashlib
import http.server
import socket
import threading

import pytest
import tensorflow_datasets as tfds
from kit.tfds import define

from keras_vit.data import DataError, open_source, preparing


class Archive(http.server.BaseHTTPRequestHandler):
    def do_HEAD(self):
        self.send_response(405)  # as servers do that only know GET
        self.end_headers()

    def do_GET(self):
        found = self.path == "/ants.tar"
        self.send_response(200 if found else 404)
        self.end_headers()
        self.wfile.write(b"archive" if found else b"")

    def log_message(self, *args):
        pass


@contextlib.contextmanager
def server():
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Archive) as serving:
        threading.Thread(target=serving.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{serving.server_address[1]}"
        serving.shutdown()


def remote(name, url):
    checksum = hashlib.sha256(b"archive").hexdigest()
    info = tfds.core.download.checksums.UrlInfo(size=7, checksum=checksum, filename="ants.tar")
    define(name, {"train": 20, "test": 3}, urls={url: info})


@pytest.fixture
def no_proxy(monkeypatch):
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("no_proxy", "127.0.0.1")


@pytest.mark.usefixtures("no_proxy")
def test_server_that_refuses_is_answered_at_once_with_the_ways_out(tmp_path):
    with socket.socket() as reserved:  # bound but not listening: a connection is refused
        reserved.bind(("127.0.0.1", 0))
        remote("Refused", f"http://127.0.0.1:{reserved.getsockname()[1]}/ants.tar")
        with pytest.raises(DataError) as caught:
            open_source("refused", data_dir=tmp_path)
    for part in (f"'refused' is not prepared in {tmp_path}", "ants.tar does not answer", "copy", "folder:PATH"):
        assert part in str(caught.value)


@pytest.mark.usefixtures("no_proxy")
def test_server_that_never_answers_is_given_up(tmp_path, monkeypatch):
    monkeypatch.setattr(preparing, "TIMEOUT", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        remote("Silent", f"http://127.0.0.1:{silent.getsockname()[1]}/ants.tar")
        with pytest.raises(DataError, match=r"does not answer \(.*timed out"):
            open_source("silent", data_dir=tmp_path)


@pytest.mark.usefixtures("no_proxy")
def test_reachable_data_set_is_downloaded_and_prepared(tmp_path):
    with server() as address:
        remote("Reachable", f"{address}/ants.tar")
        source = open_source("reachable", data_dir=tmp_path)
    assert source.sizes == {"train": 18, "validation": 2, "test": 3}
    assert open_source("reachable", data_dir=tmp_path).sizes == source.sizes  # the server is gone


@pytest.mark.usefixtures("no_proxy")
def test_download_that_fails_is_answered_with_its_reason(tmp_path):
    with server() as address:
        remote("Vanished", f"{address}/elsewhere.tar")
        with pytest.raises(DataError, match=r"its preparation failed: .*404"):
            open_source("vanished", data_dir=tmp_path)


def test_archive_that_was_put_by_hand_needs_no_server(tmp_path):
    remote("Carried", "http://127.0.0.1:9/ants.tar")
    (tmp_path / "downloads" / "manual").mkdir(parents=True)
    (tmp_path / "downloads" / "manual" / "ants.tar").write_bytes(b"archive")
    assert open_source("carried", data_dir=tmp_path).sizes["test"] == 3
