"""Downloads and prepares a data set, or says at once why that can't be and what to do instead."""

import contextlib
import http.client
import logging
import pathlib
import urllib.error
import urllib.request
from collections.abc import Iterator

from keras_vit import backend
from keras_vit.data import tfds_internals
from keras_vit.data.skipping import DataError

tfds = backend.load("tensorflow_datasets")
TIMEOUT = 10  # seconds


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Holds back TensorFlow's warnings, such as those that TensorFlow Datasets earns by calling what is deprecated."""
    loggers = [logging.getLogger(name) for name in ("absl", "tensorflow")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)


def prepare(builder: tfds.core.DatasetBuilder, name: str) -> None:
    """Makes sure that the data of `builder` lies prepared on disk, downloading it, with progress bars.

    Raises DataError when a file must be fetched by hand, or when the server doesn't answer.
    """
    with quiet():
        if builder.is_prepared():
            return
    downloads = _home(builder) / "downloads"
    if builder.MANUAL_DOWNLOAD_INSTRUCTIONS:
        _require_manual(builder, name, downloads / "manual")
    if url := _first_missing(builder, downloads):
        try:
            _knock(url)
        except (OSError, http.client.HTTPException) as error:
            raise DataError(_unreachable(builder, name, f"{url} does not answer ({error})")) from error
    config = tfds.download.DownloadConfig(try_download_gcs=False)
    failures = (OSError, AssertionError, tfds.download.DownloadError, tfds_internals.WrongChecksum)
    try:
        with quiet():
            builder.download_and_prepare(download_dir=str(downloads), download_config=config)
    except failures as error:
        raise DataError(_unreachable(builder, name, f"its preparation failed: {error}")) from error


def _home(builder):
    """Returns the folder of all data sets, in which `builder` has NAME/VERSION or NAME/CONFIG/VERSION."""
    return pathlib.Path(builder.data_dir).parents[2 if builder.builder_config else 1]


def _require_manual(builder, name, folder):
    if not folder.is_dir() or not any(folder.iterdir()):
        raise DataError(
            f"{name!r} may not be downloaded by a program: put its archives into {folder} and start again. "
            f"TensorFlow Datasets says: {' '.join(builder.MANUAL_DOWNLOAD_INSTRUCTIONS.split())}"
        )


def _first_missing(builder, downloads):
    """Returns the first address from which something is still to be fetched, or None."""
    for url, info in (builder.url_infos or {}).items():
        file = tfds_internals.file_of(url, info.checksum)
        places = (file, f"{builder.name}/{file}", f"manual/{info.filename or file}")
        here = any((downloads / place).exists() for place in places)
        if not here and url.startswith(("http://", "https://", "ftp://")):
            return url
    return None


def _knock(url):
    """Raises OSError or HTTPException where no server answers at `url`; TFDS would try for minutes."""
    method = None if url.startswith("ftp") else "HEAD"
    request = urllib.request.Request(url, method=method, headers={"User-Agent": "keras-vit"})
    try:
        urllib.request.urlopen(request, timeout=TIMEOUT).close()
    except urllib.error.HTTPError as error:  # it answers; many refuse HEAD
        error.close()


def _unreachable(builder, name, reason):
    folder = _home(builder)
    return (
        f"the data set {name!r} is not prepared in {folder}, and {reason}. Prepare it on a machine that can "
        f"download it and copy its folder {builder.name}/ into {folder}, name a data_dir that holds it, "
        "or use 'digits' or 'folder:PATH'"
    )
