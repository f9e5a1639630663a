"""Real handwritten digits on real photographs, with the mask of each digit, as a data set of TensorFlow Datasets."""

import dataclasses

import numpy as np

from keras_vit import backend

tfds = backend.load("tensorflow_datasets")
SIDE = 28  # of an image, in px
BANDS = ("train", "validation", "train", "test", "train")  # each photograph's, from left to right, alike in width


@dataclasses.dataclass(kw_only=True)
class Placing(tfds.core.BuilderConfig):
    """How often each digit for training is placed; those held out are placed once."""

    copies: int = 1


class DigitsOnPhotos(tfds.core.GeneratorBasedBuilder):
    """Grey images of 28 px: a light digit of 18 to 24 px anywhere on a piece of a photograph.

    The digits are scikit-learn's: every fifth is for the test, every tenth for validation. The photographs are its
    two as well, and each split cuts its backgrounds from bands of them of its own, whatever the class. "mask" is
    255 where there is more ink than background.
    """

    VERSION = tfds.core.Version("1.0.0")
    BUILDER_CONFIGS = [
        Placing(name="many", description="each digit for training on 12 backgrounds", copies=12),
        Placing(name="once", description="each digit on one background", copies=1),
    ]

    def _info(self):
        return tfds.core.DatasetInfo(
            builder=self,
            description="Handwritten digits (UCI; Alpaydin and Kaynak, 1998) on photographs, both from scikit-learn.",
            features=tfds.features.FeaturesDict(
                {
                    "image": tfds.features.Image(shape=(SIDE, SIDE, 1), encoding_format="png"),
                    "mask": tfds.features.Image(shape=(SIDE, SIDE, 1), encoding_format="png"),
                    "label": tfds.features.ClassLabel(names=[str(digit) for digit in range(10)]),
                }
            ),
            supervised_keys=("image", "label"),
        )

    def _split_generators(self, dl_manager):
        del dl_manager  # nothing to download
        return {split: self._generate_examples(split) for split in dict.fromkeys(BANDS)}

    def _generate_examples(self, split):
        digits = backend.load("sklearn.datasets").load_digits()
        photos = photographs(split)
        copies = self.builder_config.copies if split == "train" else 1
        for index in range(len(digits.images)):
            if split_of(index) != split:
                continue
            for copy in range(copies):
                rng = np.random.default_rng((index, copy))  # each image is its own: others may be added or left out
                image, mask = compose(digits.images[index] / 16, background(photos, rng), rng)
                example = {"image": image[..., None], "mask": mask[..., None] * np.uint8(255)}
                yield f"{index}-{copy}", example | {"label": int(digits.target[index])}


def split_of(index):
    """Returns the split that the digit number `index` of scikit-learn belongs to."""
    return "test" if index % 5 == 0 else "validation" if index % 10 == 1 else "train"


def photographs(split):
    """Returns the grey bands (H, W) of the photographs, 0 to 255, that backgrounds of `split` are cut from."""
    load = backend.load("sklearn.datasets").load_sample_image
    grey = [load(name) @ np.array([0.299, 0.587, 0.114]) for name in ("china.jpg", "flower.jpg")]
    bands = [zip(BANDS, np.array_split(each, len(BANDS), axis=1), strict=True) for each in grey]
    return [band for each in bands for owner, band in each if owner == split]


def background(photos, rng):
    """Returns a piece of one of `photos` (H, W), shrunk and maybe mirrored, at an even contrast, (SIDE, SIDE)."""
    while True:
        photo, step = photos[rng.integers(len(photos))], int(rng.integers(1, 4))
        top, left = (rng.integers(side - step * SIDE + 1) for side in photo.shape)
        piece = photo[top : top + step * SIDE, left : left + step * SIDE]
        piece = piece.reshape(SIDE, step, SIDE, step).mean(axis=(1, 3))
        if piece.std() > 8:  # else it is sky: stretched, it would show the noise of its JPEG file
            break
    piece = (piece - piece.mean()) / piece.std() * rng.uniform(20, 38) + rng.uniform(80, 120)
    return np.clip(piece[:, ::-1] if rng.integers(2) else piece, 0, 255)


def compose(digit, behind, rng):
    """Writes `digit` (8, 8), ink from 0 to 1, on `behind` (SIDE, SIDE); returns uint8 and bool (SIDE, SIDE).

    The ink is 80 to 120 of 255 levels lighter than what it covers is on average: photographs have such places too.
    In every third image the lightest pixel is not ink.
    """
    zoom, side = backend.load("sklearn", "scipy.ndimage").zoom, int(rng.integers(18, 25))
    large = np.clip(zoom(digit, side / 8, order=3, grid_mode=True, mode="grid-constant"), 0, 1)
    ink = np.zeros((SIDE, SIDE))
    top, left = rng.integers(SIDE - side + 1, size=2)
    ink[top : top + side, left : left + side] = large
    level = min(np.average(behind, weights=ink) + rng.uniform(80, 120), 255)
    return np.rint(behind + ink * (level - behind)).astype("uint8"), ink > 0.5
