"""What we need of TensorFlow Datasets beside its public names, each with the public wish it stands for."""

from keras_vit import backend

tfds = backend.load("tensorflow_datasets")

UnknownDataset = tfds.core.registered.DatasetNotFoundError
"""What `tfds.builder` raises for a name that it doesn't know. Wish: the error beside the function that raises it."""

WrongChecksum = tfds.core.download.download_manager.NonMatchingChecksumError
"""What a download raises whose checksum is another. Wish: a subclass of tfds.download.DownloadError."""


def file_of(url: str, checksum: str | None) -> str:
    """Returns the name that the file of `url` gets in the folder of downloads. Wish: a public function for it."""
    return tfds.core.download.resource.get_dl_fname(url, checksum)
