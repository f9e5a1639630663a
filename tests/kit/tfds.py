"""Small data sets of TensorFlow Datasets, defined on the spot."""

import numpy as np
import tensorflow_datasets as tfds


def define(name, splits, *, channels=3, features=None, urls=None, manual=None, unlabelled=(), make=None):
    """Registers a data set `name` of `splits` {name: count} of 7 by 5 images; its file, if any, is downloaded."""

    def info(self):
        given = features or {
            "image": tfds.features.Image(shape=(7, 5, channels)),
            "label": tfds.features.ClassLabel(names=["ant", "bee", "cat"]),
        }
        keys = ("image", "label") if "label" in given else None
        return tfds.core.DatasetInfo(builder=self, features=tfds.features.FeaturesDict(given), supervised_keys=keys)

    def generators(self, downloads):
        for url in urls or {}:
            assert downloads.download(url).read_bytes() == b"archive"
        return {split: self._generate_examples(split, count) for split, count in splits.items()}

    def examples(self, split, count):
        for index in range(count):
            row = {
                "image": np.full((7, 5, channels), index, "uint8"),
                "label": -1 if split in unlabelled else index % 3,
            }
            yield index, row if make is None else make(split, index)

    members = {
        "VERSION": tfds.core.Version("1.0.0"),
        "MANUAL_DOWNLOAD_INSTRUCTIONS": manual,
        "url_infos": urls,
        "_info": info,
        "_split_generators": generators,
        "_generate_examples": examples,
        "__module__": __name__,
    }
    return type(name, (tfds.core.GeneratorBasedBuilder,), members)


define("ByHand", {"train": 5}, manual="Ask the owner for ants.tar.")
