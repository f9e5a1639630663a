"""The names by which sources are opened."""

from keras_vit.data.folders import open_folder
from keras_vit.data.skipping import DataError
from keras_vit.data.tfds import open_tfds


def open_source(name, *, data_dir=None, seed=0, validation=0.1):
    """Opens the Source called "digits", "digits_on_photos", any name of TensorFlow Datasets, or "folder:PATH".

    `data_dir` is where TensorFlow Datasets keeps prepared data; a data set that is not there yet is
    downloaded into it. The share `validation` of the training images is held out where the source has no
    validation split beside its test split; `seed` draws that share from a folder. Raises DataError.
    """
    if not isinstance(name, str) or not name:
        raise DataError(f"a data set is named by a string such as 'digits' or 'folder:photos', not {name!r}")
    if not 0 < validation < 0.5:
        raise DataError(f"validation={validation!r}; it is a share of the training images between 0 and 0.5")
    kind, colon, path = name.partition(":")
    if kind == "folder" and colon:
        return open_folder(path, seed=seed, validation=validation)
    return open_tfds(name, data_dir=data_dir, validation=validation)
