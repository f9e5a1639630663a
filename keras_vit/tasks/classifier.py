"""From options to a network that learns to classify, and from that to the model that is kept."""

import dataclasses
import json
from pathlib import Path

import keras
from keras import ops

import keras_vit
from keras_vit import data
from keras_vit.layers.inputs import pair
from keras_vit.tasks import distillation, transfer
from keras_vit.training.callbacks import alone
from keras_vit.training.optim import optimizers
from keras_vit.training.trainer import Trainer


def network(options, source):
    """Returns the network for the classes and channels of `source`, the part of it frozen that is not to learn."""
    classes = len(source.labels)
    wanted = {"classes": classes, "channels": source.channels} | options.model.options
    if wanted["classes"] != classes:
        raise ValueError(f"classes={wanted['classes']} does not match {source.name}, which has {classes} classes")
    if options.data.test_size is not None:
        wanted["image_size"] = None  # of any size, for it sees two
    elif options.data.image_size is not None:
        wanted["image_size"] = options.data.image_size
    if options.task.teacher is not None:
        wanted["distillation"] = "both"
    model = keras_vit.build(options.model.name, weights=options.model.weights, **wanted)
    if None in model.input_shape[1:] and options.data.test_size is None:
        raise ValueError(f"{options.model.name} takes images of any size; give image_size")
    if options.model.lora is not None:
        transfer.add_lora(model, options.model.lora)
    if options.model.freeze is not None:
        transfer.freeze(model, options.model.freeze)
    return model


def learner(model, options, source):
    """Returns the compiled Trainer of the network `model`, taught by the teacher of `options` where there is one."""
    taught = model
    if options.task.teacher is not None:
        taught = distillation.distil(
            model, *_teacher(options.task.teacher, model, source, preprocessing_of(model, options))
        )
    trainer = Trainer(taught, options.optim.gradient_accumulation, options.optim.clip_norm, options.optim.sam)
    steps = data.steps_per_epoch(source, options.optim.batch_size)
    rate = optimizers.warmup_cosine(
        options.optim.learning_rate, options.optim.epochs * steps, round(options.optim.warmup_epochs * steps)
    )
    trainer.compile(
        optimizer=optimizers.make_optimizer(
            options.optim.optimizer,
            model,
            rate,
            weight_decay=options.optim.weight_decay,
            layer_decay=options.optim.layer_decay,
            head_steps=round(options.optim.head_epochs * steps),
            ema=options.optim.ema,
        ),
        loss=_loss(options),
        metrics=["accuracy"] if options.task.teacher is None else [_accuracy_of_student()],
        steps_per_execution=options.devices.steps_per_execution,
    )
    return trainer


def kept(model):
    """Returns the model to keep of the network `model`: one head, plain kernels, no optimizer; it shares its weights.

    Kernels that low-rank matrices were added to are new ones.
    """
    if isinstance(model.output, dict):  # of a student: its heads' mean, as `build` makes it for inference
        heads = [model.output[name] for name in distillation.HEADS]
        mean = keras.layers.Average(dtype="float32", name="logits")(heads)
        return keras.Model(alone(model.inputs), mean, name=model.name)
    if transfer.has_lora(model):
        return transfer.merge_lora(model)
    return keras.Model(alone(model.inputs), alone(model.outputs), name=model.name)


def measurer(model, options, metrics=()):
    """Returns a Trainer of `model`, one that is kept, compiled to measure it and not to train."""
    trainer = Trainer(model)
    trainer.compile(loss=_loss(options.replace(teacher=None)), metrics=["accuracy", *metrics])
    return trainer


def preprocessing_of(model, options=None):
    """Returns the Preprocessing that makes images fit the input of `model`, that of the checkpoint it began from.

    With the `options` of its training it is that for measuring; `training_preprocessing` is the one for training.
    """
    return (
        _preprocessing(model) if options is None else _preprocessing(model, options.data.test_size, options.data.crop)
    )


def training_preprocessing(model, options):
    """Returns the Preprocessing of images that `model` learns from, which `options` may want smaller than those for
    measuring; they are cut by the augmentation alone.
    """
    return _preprocessing(model, options.data.image_size)


def _preprocessing(model, image_size=None, crop=None):
    size, channels = model.input_shape[1:3], model.input_shape[3]
    if image_size is not None:
        size = pair(image_size, "image_size")
    found = data.model_preprocessing(model, size) or data.Preprocessing(image_size=size, channels=channels)
    return found if crop is None else dataclasses.replace(found, crop=crop)


def _loss(options):
    if options.task.teacher is not None:
        return distillation.HardDistillation(options.task.label_smoothing)
    if options.task.loss == "sigmoid":
        return SigmoidLoss(options.task.label_smoothing, options.task.target_threshold)
    return keras.losses.CategoricalCrossentropy(from_logits=True, label_smoothing=options.task.label_smoothing)


@keras.saving.register_keras_serializable("keras_vit")
class SigmoidLoss(keras.losses.Loss):
    """Binary cross-entropy of each class, from logits (B, classes) and shares (B, classes), mean over classes.

    Every class is a question of its own, as "ResNet strikes back" (Wightman et al. 2021, arXiv 2110.00476) and DeiT III
    train. With `target_threshold` an image is wholly of each class whose share, after smoothing, is above it.
    """

    def __init__(self, label_smoothing=0.0, target_threshold=None, name="sigmoid_loss", **kwargs):
        super().__init__(name=name, **kwargs)
        self.label_smoothing = label_smoothing
        self.target_threshold = target_threshold

    def call(self, y_true, y_pred):
        shares = ops.cast(y_true, "float32") * (1 - self.label_smoothing) + self.label_smoothing / y_pred.shape[-1]
        if self.target_threshold is not None:
            shares = ops.cast(shares > self.target_threshold, "float32")
        return ops.mean(ops.binary_crossentropy(shares, y_pred, from_logits=True), axis=-1)

    def get_config(self):
        own = {"label_smoothing": self.label_smoothing, "target_threshold": self.target_threshold}
        return {**super().get_config(), **own}


def _accuracy_of_student():
    return keras.metrics.MeanMetricWrapper(distillation.student_accuracy, name="accuracy")


def trained(name, image_size=None):
    """Returns (model, Preprocessing, labels) of the folder of a finished run, or of the checkpoint "MODEL:WEIGHTS".

    A checkpoint is built for `image_size` where that is given; its labels are None. Raises ValueError where `name` is
    neither.
    """
    folder = Path(name)
    if (folder / "best.keras").exists() and (folder / "result.json").exists():
        told = json.loads((folder / "result.json").read_text(encoding="utf-8"))
        model = keras.saving.load_model(folder / "best.keras")
        return model, data.Preprocessing(**told["preprocessing"]), tuple(told["labels"])
    model, colon, weights = name.partition(":")
    if not colon or folder.exists():
        raise ValueError(f"{name!r} is no folder of a finished run, nor MODEL:TAG of a published checkpoint")
    options = {} if image_size is None else {"image_size": image_size}
    model = keras_vit.build(model, weights=weights, **options)
    return model, preprocessing_of(model), None


def _teacher(name, student, source, ours):
    """Returns (teacher, Preprocessing of the student, that of the teacher); ValueError where `name` is neither."""
    teacher, theirs, labels = trained(name)
    if labels is not None and labels != tuple(source.labels):
        raise ValueError(f"teacher {name!r} learned other classes than those of {source.name}")
    return teacher, ours, theirs
