"""The 1,797 handwritten digits of scikit-learn's wheel, as a data set of TensorFlow Datasets."""

import numpy as np

from keras_vit import backend

tfds = backend.load("tensorflow_datasets")


class Digits(tfds.core.GeneratorBasedBuilder):
    """8 by 8 grey images of the digits 0 to 9; every fifth is for the test."""

    VERSION = tfds.core.Version("1.0.0")

    def _info(self):
        return tfds.core.DatasetInfo(
            builder=self,
            description="Handwritten digits (UCI; Alpaydin and Kaynak, 1998), from scikit-learn.",
            features=tfds.features.FeaturesDict(
                {
                    "image": tfds.features.Image(shape=(8, 8, 1), encoding_format="png"),
                    "label": tfds.features.ClassLabel(names=[str(digit) for digit in range(10)]),
                }
            ),
            supervised_keys=("image", "label"),
        )

    def _split_generators(self, dl_manager):
        del dl_manager  # nothing to download
        return {"train": self._generate_examples(test=False), "test": self._generate_examples(test=True)}

    def _generate_examples(self, test):
        digits = backend.load("sklearn.datasets").load_digits()
        images = np.rint(digits.images * (255 / 16)).astype("uint8")[..., None]
        for index, (image, label) in enumerate(zip(images, digits.target, strict=True)):
            if (index % 5 == 0) == test:
                yield index, {"image": image, "label": int(label)}
