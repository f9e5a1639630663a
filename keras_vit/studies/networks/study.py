"""What a comparison of networks works on: the networks, trained and untrained, and the images they are asked about."""

import dataclasses
from pathlib import Path

import numpy as np

from keras_vit.analysis.probabilities import probabilities


@dataclasses.dataclass(frozen=True)
class Run:
    """One training: on which share of the images and with which seed, and what came of it."""

    share: float
    seed: int
    images: int  # trained on
    validated: int  # images, of which the `rows` are, beside those trained on
    accuracy: float  # of all test images
    rows: tuple  # of metrics, one an epoch
    seconds: float


@dataclasses.dataclass(frozen=True)
class Candidate:
    """A network of the comparison; `model` is that of the first of `runs` on the largest share."""

    name: str
    idea: str  # how it sees an image, in words
    parameters: int
    macs: int
    model: object
    untrained: object
    runs: tuple[Run, ...]

    @property
    def full(self) -> list[Run]:
        """The runs on the largest share."""
        largest = max(run.share for run in self.runs)
        return [run for run in self.runs if run.share == largest]


@dataclasses.dataclass(frozen=True)
class Study:
    """Networks and test images; `images` (B, H, W, C) are as the networks take them, `labels` (B,) their classes.

    `mean` and `std` are how the images were normalised, `train_sample` is a pair like them of training images, `tested`
    how many test images the accuracies of the runs are of.
    """

    data: str
    class_names: tuple[str, ...]
    candidates: tuple[Candidate, ...]
    images: np.ndarray
    labels: np.ndarray
    train_sample: tuple[np.ndarray, np.ndarray]
    tested: int
    mean: float
    std: float
    folder: Path  # of the pictures
    probabilities: dict = dataclasses.field(init=False, repr=False)  # of each network, (B, classes)

    def __post_init__(self):
        found = {each.name: probabilities(each.model, self.images) for each in self.candidates}
        object.__setattr__(self, "probabilities", found)

    @property
    def chance(self) -> float:
        """The accuracy of guessing."""
        return 1 / len(self.class_names)

    @property
    def pixels(self) -> np.ndarray:
        """The images (B, H, W, C) as numbers of 0 to 1."""
        return np.clip(self.images * self.std + self.mean, 0, 1)

    def accuracy(self, candidate: Candidate, pixels: np.ndarray) -> float:
        """Returns how many of the test images, given as `pixels` of 0 to 1, the network names right, as a share."""
        named = probabilities(candidate.model, (pixels - self.mean) / self.std).argmax(axis=1)
        return float((named == self.labels).mean())

    def spread(self, count: int) -> np.ndarray:
        """Returns the indices of at most `count` test images of as many classes, evenly chosen of all there are."""
        classes = np.unique(self.labels)
        chosen = classes[np.linspace(0, len(classes) - 1, min(count, len(classes))).round().astype(int)]
        return np.array([np.flatnonzero(self.labels == label)[0] for label in chosen])

    def examples(self, count: int) -> np.ndarray:
        """Returns the indices of `count` test images, of one class after the other."""
        kinds = [np.flatnonzero(self.labels == label) for label in range(len(self.class_names))]
        found = [each[turn] for turn in range(count) for each in kinds if turn < len(each)]
        return np.array(found[:count])
