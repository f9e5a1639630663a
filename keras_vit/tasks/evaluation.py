"""Measures a trained classifier on a data set, as its training measures it on its own test images."""

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np

from keras_vit import bundle, data, models, outputs, saved
from keras_vit.analysis import Calibration
from keras_vit.tasks.classify import Classify
from keras_vit.tasks.reliability import Reliability
from keras_vit.training import options_file
from keras_vit.training.context import Training
from keras_vit.training.devices import strategy
from keras_vit.training.evaluation import Evaluation
from keras_vit.training.options import Options
from keras_vit.training.runs import images, state
from keras_vit.training.runs.folder import RunFolder
from keras_vit.training.task import Learner
from keras_vit.training.totals import Totals


@dataclasses.dataclass(frozen=True)
class Evaluated:
    """The numbers of a classifier on a split.

    `matrix` counts images by true and predicted class, None where there are too many classes; `calibration` is None
    for classes that don't exclude each other. `notes` say what is special about them.
    """

    numbers: dict[str, float]
    labels: tuple[str, ...]
    matrix: np.ndarray | None
    calibration: Calibration | None
    skipped: list[str]
    notes: list[str]

    @property
    def classes(self) -> list[dict[str, Any]]:
        """A dict for each class that has images or was predicted: images, predictions, recall and precision."""
        if self.matrix is None:
            return []
        found = zip(self.labels, self.matrix.sum(1), self.matrix.sum(0), np.diag(self.matrix), strict=True)
        return [
            {
                "label": label,
                "images": int(true),
                "predicted": int(said),
                "recall": float(right / true) if true else None,
                "precision": float(right / said) if said else None,
            }
            for label, true, said, right in found
            if true or said
        ]


def options_of(name: str, **changes: Any) -> Options[Classify]:
    """Returns the options that the run called `name` was trained with, those of its data changed.

    A model that is no run's is measured by the plain cross-entropy. Raises ValueError where nothing says on what data.
    """
    run = Path(name)
    run = run.parent if run.name == saved.BEST else run
    if saved.is_run(run):
        if "data" in changes:
            changes["train_fraction"] = 1.0
        return options_file.read(run / saved.OPTIONS, Options(task=Classify())).replace(**changes)
    if "data" not in changes:
        raise ValueError(
            f"{name!r} is no folder of a run, which knows its data; say on what, as in --data folder:photos"
        )
    return Options(task=Classify(label_smoothing=0.0)).replace(batch_size=64, **changes)


def evaluate(name: str, options: Options[Classify], split: str) -> Evaluated:
    """Measures the model called `name`, a run, a .keras file or MODEL:WEIGHTS, on the `split` of the data of `options`.

    Classes are told apart by their names: the data may have fewer than the model. Split "all" is that of all images.
    Raises ValueError for classes that the model doesn't know. Warns of images that the model has learned from.
    """
    devices = strategy.choose(options.devices.strategy)
    with strategy.precision(options.devices.precision):
        source = options.task.open(options)
        with devices.scope():
            model = models.model_of(name)
        models.check_head(name, model)
        with devices.scope():
            logits, activation = outputs.with_logits(model)
        source, notes = _in_terms_of(logits, source, name)
        if split == "all":
            source, split = data.whole(source), "test"
        if Path(name).exists():
            images.warn_of_seen("model", name, source, split)
        if options.task.cross_entropy != activation:  # of a model that is no run's
            options = options.replace(loss=activation, teacher=None)
        return _measured(options, devices, source, logits, activation, split, notes)


def _in_terms_of(model, source, name):
    """Returns `source` with the model's numbers of classes, and what is to be said of that."""
    labels, classes = bundle.of(model).labels, model.output.shape[-1]
    if not labels:
        if len(source.labels) != classes:
            raise ValueError(
                f"{name!r} has {classes} classes without names, and {source.name} has {len(source.labels)}; name the "
                "model's by keras_vit.bundle.update(model, labels=...) and save it"
            )
        return source, [f"the model doesn't name its classes; they are taken for those of {source.name} in their order"]
    absent = [label for label in labels if label not in source.labels]
    said = f"{len(absent)} of the model's {len(labels)} classes, such as {{}}, are not in the data"
    return data.relabelled(source, labels), [said.format(repr(absent[0]))] if absent else []


def _measured(options, devices, source, model, activation, split, notes):
    preprocessing = data.model_preprocessing(model)
    if preprocessing is None:
        raise ValueError(f"{model.name} says nothing of how its images are prepared; a trained or published model does")
    learner = Learner(model, model, lambda: model, preprocessing, preprocessing)
    with devices.scope():
        metrics = options.task.metrics(source, "test")
        if activation == "softmax":
            metrics["calibration_error"] = Reliability()
    parts = (RunFolder(options.run.output, options), source, learner, Totals(devices, {}), state.Progress())
    with source.stopping_clearly():
        numbers = Evaluation(Training(options, devices, *parts), model, split, metrics).measure()
    skipped = sorted(source.skipped)
    matrix = metrics["balanced_accuracy"].matrix if "balanced_accuracy" in metrics else None
    reliability = metrics.get("calibration_error")
    return Evaluated(
        numbers | {"images": source.sizes[split] - len(skipped)},
        tuple(source.labels),
        matrix,
        reliability.calibration if isinstance(reliability, Reliability) else None,
        skipped,
        notes,
    )
