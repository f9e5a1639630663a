"""What a training learns: the protocol between a task and the trainer."""

import dataclasses
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Protocol

if TYPE_CHECKING:
    import keras
    import tensorflow as tf
    from rich.console import RenderableType

    from keras_vit.data import Preprocessing, Source
    from keras_vit.training.options import Options
    from keras_vit.training.runs.folder import RunFolder

Batch = dict[str, Any]  # "image" (B, H, W, C) and the targets of the task, each (B, ...)


@dataclasses.dataclass(frozen=True)
class Monitor:
    """The number of an epoch that chooses the best one, such as Monitor("val_loss", "min").

    Among epochs with the same number the one with the lower "val_loss" is better. `spec` is the format that people
    read the number in, such as ".2%" for shares.
    """

    name: str
    mode: Literal["max", "min"]
    spec: str = ".4g"

    def rank(self, row: dict[str, float]) -> tuple[float, float]:
        """Returns what sorts the rows of epochs from the best to the worst."""
        return row[self.name] if self.mode == "min" else -row[self.name], row["val_loss"]

    def best(self, rows: list[dict[str, float]]) -> dict[str, float]:
        """Returns the best of `rows`, the first among equals."""
        return min(rows, key=self.rank)

    def format(self, value: float) -> str:
        """Returns the number as people read it."""
        return format(value, self.spec)

    def describe(self, row: dict[str, float]) -> str:
        """Returns its name and number in `row`, such as "val loss 0.4213"."""
        return f"{self.title} {self.format(row[self.name])}"

    @property
    def title(self) -> str:
        """The name in words, such as "val loss"."""
        return self.name.replace("_", " ")


@dataclasses.dataclass
class Learner:
    """The networks of a training, which share their weights.

    `model` is what the loss is computed from, with all that only training needs, such as a teacher or a decoder.
    `network` is the part whose layers the optimizer's groups come from, and what callbacks see. `finished()` returns
    the model that is kept. Images are prepared by `preprocessing` for evaluation, and for training by
    `training_preprocessing`. `optimizer` is set by the trainer.
    """

    model: "keras.Model"
    network: "keras.Model"
    finished: "Callable[[], keras.Model]"
    preprocessing: "Preprocessing"
    training_preprocessing: "Preprocessing"
    optimizer: "keras.optimizers.Optimizer | None" = None


class Task(Protocol):
    """What is learned. A task is a frozen dataclass; its fields are the options that only it has.

    All functions of an example or a batch are pure: what they draw, they draw from the seed they are given, so that a
    training that was killed sees the same examples again.
    """

    name: ClassVar[str]  # as in `keras-vit train NAME`
    monitor: ClassVar[Monitor]
    files: ClassVar[tuple[str, ...]]  # that `report` writes into the folder of a run

    def check(self, options: "Options") -> None:
        """Raises ValueError where the task's own options don't go with the others; called whenever they are made."""

    def open(self, options: "Options") -> "Source":
        """Returns the examples, in the splits "train", "validation" and "test".

        Raises ValueError for options that can't be met, before any data is read.
        """

    def describe(self, source: "Source") -> "RenderableType":
        """Returns what rich prints of the examples before a training begins. A task may do without."""

    def learner(self, options: "Options", source: "Source") -> Learner:
        """Returns the networks for the examples of `source`."""

    def example(
        self, options: "Options", source: "Source", learner: Learner, training: bool
    ) -> "Callable[[Batch, tf.Tensor], Batch]":
        """Returns the function (example, seed) -> tensors of fixed shapes that decodes and, in training, augments."""

    def mix(self, options: "Options", source: "Source") -> "Callable[[Batch, tf.Tensor], Batch] | None":
        """Returns the function (batch, seed) -> batch that mixes a training batch, or None."""

    def loss(self, network: Callable, batch: Batch, training: bool) -> "tuple[tf.Tensor, Any]":
        """Returns the mean loss of a batch and the outputs that `update` measures.

        `network(images, training=training)` computes what the learner's `model` does, or `finished()`.
        """

    def metrics(self, source: "Source", split: str) -> "dict[str, keras.metrics.Metric] | None":
        """Returns what is measured beside the loss on a split, new metrics by their names.

        On "test" it may be None, if the kept model can't be measured by the loss, as an encoder without its decoder.
        """

    def shown(self, source: "Source") -> tuple[str, ...]:
        """Returns the names of metrics that are printed beside the monitor's in the end. A task may do without."""

    def update(self, metrics: "dict[str, keras.metrics.Metric]", batch: Batch, outputs: Any) -> None:
        """Adds a batch to `metrics`."""

    def preview(self, options: "Options", source: "Source", learner: Learner, batch: Batch) -> Any:
        """Returns the images of a training batch, uint8 (B, H, W, C), and their titles, for TensorBoard."""

    def report(self, options: "Options", source: "Source", folder: "RunFolder", metrics: Any) -> dict[str, Any]:
        """Writes the `files` of a finished training; returns the task's part of result.json.

        `metrics` are those of the test split, measured.
        """

    def commands(self, folder: "RunFolder") -> list[str]:
        """Returns the commands of a shell that go on from a finished run, which are printed; a task may do without."""
