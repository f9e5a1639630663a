"""Classification: which of several classes an image is of."""

import dataclasses
import shlex
from collections.abc import Callable
from typing import Annotated, Any, ClassVar, Literal

import keras
import numpy as np
import tensorflow as tf
import tyro
from keras import ops
from rich.console import Group, RenderableType
from rich.text import Text

from keras_vit import bundle, checked, data, models, registry
from keras_vit.pictures import confusion_picture
from keras_vit.pictures.figure import shortened
from keras_vit.tasks import confusion, counts, distillation
from keras_vit.tasks.network import finished, learner_of, network_of
from keras_vit.training.options import Options
from keras_vit.training.runs import images
from keras_vit.training.runs.folder import RunFolder
from keras_vit.training.task import Batch, Learner, Monitor

NAME = 18  # characters of a label that fit above an image


@checked.options
class Classify:
    """Classification: mixed images, loss and teacher"""

    name: ClassVar[str] = "classify"
    monitor: ClassVar[Monitor] = Monitor("val_accuracy", "max", ".2%")
    files: ClassVar[tuple[str, ...]] = ("confusion.csv", "confusion.png")

    mixup: float = 0.0
    """alpha of the Beta distribution that two mixed images are weighted by; 0 for none (Zhang et al. 2018)"""
    cutmix: float = 0.0
    """alpha of the boxes cut from another image; with mixup, one of both for each batch (Yun et al. 2019)"""
    cross_entropy: Annotated[Literal["softmax", "sigmoid"], tyro.conf.arg(name="loss")] = dataclasses.field(
        default="softmax", metadata={"flag": "loss"}
    )
    """cross-entropy over the classes, or binary cross-entropy of each class"""
    label_smoothing: float = 0.1
    """fraction of each label that is spread over all classes"""
    target_threshold: float | None = None
    """with sigmoid: a mixed image is of each class whose share is above it"""
    teacher: str | None = None
    """folder of a run, or MODEL:TAG of a published checkpoint, to distil from (DeiT)"""

    def __post_init__(self):
        checked.at_least(self, 0, "mixup", "cutmix")
        if not 0 <= self.label_smoothing < 1:
            raise ValueError(f"label_smoothing is from 0 to below 1, not {self.label_smoothing}")
        if self.target_threshold is not None and (
            self.cross_entropy != "sigmoid" or not 0 <= self.target_threshold < 1
        ):
            raise ValueError(f"target_threshold={self.target_threshold} goes with loss='sigmoid', from 0 to below 1")
        if self.teacher is not None and self.cross_entropy != "softmax":
            raise ValueError("a teacher goes with loss='softmax' and without lora")

    def check(self, options: Any) -> None:
        """Raises ValueError where the task's own options don't go with the others of its training."""
        if self.teacher is not None and options.model.lora is not None:
            raise ValueError("a teacher goes with loss='softmax' and without lora")
        if self.teacher is not None and (size := options.data.test_size) is not None:
            raise ValueError(f"test_size={size} goes with an image_size to train at, and without a teacher")

    def open(self, options: Options) -> data.Source:
        _, config = registry.resolve(options.model.name, options.model.options)
        if self.teacher is not None and not hasattr(config, "distillation"):
            name = options.model.name
            raise ValueError(f"{name} has no distillation token to learn from a teacher with; deit-s16 has")
        data.augmentation(options.data.augment)
        source = data.open_source(options.data.name, data_dir=options.data.data_dir, split_seed=options.data.split_seed)
        return data.subset(source, options.data.train_fraction, options.run.seed)

    def describe(self, source: data.Source) -> RenderableType:
        known = data.class_counts(source)
        missing = counts.absent(source.labels, known) if known is not None else []
        return Group(counts.counts_table(source.labels, known, source.sizes), *map(Text, missing))

    def learner(self, options: Options, source: data.Source) -> Learner:
        needed: dict[str, Any] = {"classes": len(source.labels), "channels": source.channels}
        if self.teacher is not None:
            needed["distillation"] = "both"
        network = network_of(options, source, **needed)
        learner = learner_of(network, options, lambda: _one_head(network))
        if self.teacher is not None:
            learner.model = self._taught(network, source, learner.preprocessing)
        bundle.update(network, labels=source.labels, activation=self.cross_entropy)
        return learner

    def example(
        self, options: Options, source: data.Source, learner: Learner, training: bool
    ) -> Callable[[Batch, tf.Tensor], Batch]:
        targets = {"label": source.targets["label"]}
        if not training:
            return data.decoder(targets, learner.preprocessing)
        erased = options.data.random_erasing
        return data.decoder(targets, learner.training_preprocessing, options.data.augment, random_erasing=erased)

    def mix(self, options: Options, source: data.Source) -> Callable[[Batch, tf.Tensor], Batch]:
        return data.mixing({"label": source.targets["label"]}, mixup=self.mixup, cutmix=self.cutmix)

    def loss(self, network: Callable, batch: Batch, training: bool) -> tuple[tf.Tensor, Any]:
        outputs = network(batch["image"], training=training)
        return tf.reduce_mean(self._losses(_shares(batch, outputs), outputs)), outputs

    def metrics(self, source: data.Source, split: str) -> dict[str, keras.metrics.Metric]:
        found = {"accuracy": keras.metrics.CategoricalAccuracy(name="accuracy")}
        measured = split == "test" or (split == "validation" and _is_uneven(source))
        if measured and len(source.labels) <= confusion.MOST:
            found["balanced_accuracy"] = confusion.Confusion(len(source.labels))
        return found

    def shown(self, source: data.Source) -> tuple[str, ...]:
        return ("balanced_accuracy",) if _is_uneven(source) else ()

    def update(self, metrics: dict[str, keras.metrics.Metric], batch: Batch, outputs: Any) -> None:
        logits = outputs[:, 0] + outputs[:, 1] if len(outputs.shape) == 3 else outputs  # of a student: both its heads
        for metric in metrics.values():
            metric.update_state(_shares(batch, outputs), logits)

    def preview(
        self, options: Options, source: data.Source, learner: Learner, batch: Batch
    ) -> tuple[np.ndarray, list[str]]:
        images = learner.training_preprocessing.denormalize(batch["image"])
        return images.round().astype("uint8"), [captions(shares, source.labels) for shares in batch["label"]]

    def report(self, options: Options, source: data.Source, folder: RunFolder, metrics: Any) -> dict[str, Any]:
        labels = list(source.labels)
        if "balanced_accuracy" not in metrics:
            return {
                "labels": labels,
                "confusion": {"omitted": f"{len(labels)} classes; it is made for {confusion.MOST}"},
            }
        matrix = metrics["balanced_accuracy"].matrix
        confusion.write_csv(matrix, labels, folder.path / "confusion.csv")
        pairs = confusion.most_confused(matrix, labels)
        confusion_picture(folder.path / "confusion.png", matrix, labels, options.title(), pairs)
        return {"labels": labels, "confusion": {"counts": "confusion.csv", "most_confused": pairs}}

    def commands(self, folder: RunFolder) -> list[str]:
        run = shlex.quote(str(folder.path))
        return [f"keras-vit predict {run} new.jpg", f"keras-vit export {run}"]

    def _losses(self, shares, outputs):
        """Returns the loss of each image, (B,)."""
        if len(outputs.shape) == 3:  # of a student and its teacher
            return distillation.HardDistillation(self.label_smoothing).call(shares, outputs)
        if self.cross_entropy == "sigmoid":
            return SigmoidLoss(self.label_smoothing, self.target_threshold).call(shares, outputs)
        smoothing = {"from_logits": True, "label_smoothing": self.label_smoothing}
        return keras.losses.categorical_crossentropy(shares, outputs, **smoothing)

    def _taught(self, student, source, preprocessing):
        """Returns the student with its teacher, as `distil` does; ValueError where the teacher knows other classes."""
        images.warn_of_seen("teacher", self.teacher, source)
        teacher = models.model_of(self.teacher)
        labels = bundle.of(teacher).labels
        if labels and labels != tuple(source.labels):
            raise ValueError(f"teacher {self.teacher!r} learned other classes than those of {source.name}")
        theirs = data.model_preprocessing(teacher)
        if theirs is None:
            raise ValueError(
                f"teacher {self.teacher!r} says nothing of how its images are prepared; a run's model and a published "
                "checkpoint do"
            )
        return distillation.distil(student, teacher, preprocessing, theirs)


def _is_uneven(source):
    known = data.class_counts(source)
    return known is not None and data.uneven(known)


def captions(shares: np.ndarray, labels: tuple[str, ...]) -> str:
    """Returns the label of `shares` (classes,), or the two that it is mixed of with their percentages, one a line."""
    best = sorted(np.flatnonzero(shares), key=lambda i: -shares[i])
    names = [shortened(labels[i], NAME) for i in best]
    if len(names) == 1:
        return names[0]
    return "\n".join(f"{shares[i]:.0%} {name}" for i, name in zip(best, names, strict=True))


def _shares(batch: Batch, outputs):
    """Returns the labels of a batch, numbers (B,) or shares already, as shares (B, classes)."""
    return distillation.probabilities(batch["label"], outputs.shape[-1])


def _one_head(network):
    """Returns the model to keep: of a student's two heads the mean, as `build` makes it for inference."""
    if not isinstance(network.output, dict):
        return finished(network)
    heads = [network.output[name] for name in distillation.HEADS]
    mean = keras.layers.Average(dtype="float32", name="logits")(heads)
    return keras.Model(network.input, mean, name=network.name)


@keras.saving.register_keras_serializable("keras_vit")
class SigmoidLoss(keras.losses.Loss):
    """Binary cross-entropy of each class, from logits (B, classes) and shares (B, classes), mean over classes.

    Every class is a question of its own, as "ResNet strikes back" (Wightman et al. 2021, arXiv 2110.00476) and DeiT III
    train. With `target_threshold` an image is wholly of each class whose share, after smoothing, is above it.
    """

    def __init__(
        self,
        label_smoothing: float = 0.0,
        target_threshold: float | None = None,
        name: str = "sigmoid_loss",
        **kwargs: Any,
    ) -> None:
        super().__init__(name=name, **kwargs)
        self.label_smoothing = label_smoothing
        self.target_threshold = target_threshold

    def call(self, y_true: Any, y_pred: Any) -> Any:
        shares = ops.cast(y_true, "float32") * (1 - self.label_smoothing) + self.label_smoothing / y_pred.shape[-1]
        if self.target_threshold is not None:
            shares = ops.cast(shares > self.target_threshold, "float32")
        return ops.mean(ops.binary_crossentropy(shares, y_pred, from_logits=True), axis=-1)

    def get_config(self) -> dict[str, Any]:
        own = {"label_smoothing": self.label_smoothing, "target_threshold": self.target_threshold}
        return {**super().get_config(), **own}
