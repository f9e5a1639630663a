"""Trains a classifier of images: handwritten digits in about a minute, your own folder, or a TFDS data set.

    python -m keras_vit.recipes.train_classifier --preset digits

2 CPU cores (AMD EPYC, shared), 63 s of training: 98.9 % of the 360 test images right, 98.6 and 98.3 % with
seeds 1 and 2.

    python -m keras_vit.recipes.train_classifier --data folder:photos --model vit-s16 --augment flip-crop
"""

import dataclasses
from typing import Literal

import keras
from rich import print as show
from rich.table import Table

import keras_vit
from keras_vit import data, registry
from keras_vit.training import cluster, command_line, curves, files, optimizers, result, state, strategy
from keras_vit.training.callbacks import Checkpoint, StopOnNaN, quietly, uncompiled
from keras_vit.training.command_line import KeyValues
from keras_vit.training.progress import ShowProgress
from keras_vit.training.trainer import Trainer


@dataclasses.dataclass(frozen=True, kw_only=True)
class Options:
    """What to train on what, and how."""

    data: str = "digits"
    """digits, folder:PATH with one folder of images a class, or a data set of tensorflow-datasets"""
    data_dir: str | None = None
    """where tensorflow-datasets keeps its files; its own place by default"""
    train_share: float = 1.0
    """part of the training and validation images that is used, the same of each class; all test images are"""
    model: str = "vit-ti16"
    """as listed by keras_vit.list_models()"""
    image_size: int | tuple[int, int] | None = None
    """height and width in pixels that images are brought to; the model's own by default"""
    model_options: KeyValues = dataclasses.field(default_factory=dict)
    """other options of the model, such as patch=4 drop_path=0.1; they add to the preset's"""
    weights: str | None = None
    """a checkpoint to start from: a file, or the tag of a published one"""
    augment: str = "none"
    """what is done to training images at random: none, affine, flip-crop, random-resized-crop, randaugment or
    three-augment"""
    epochs: int = 90
    batch: int = 256
    """images in a step, over all devices together"""
    accumulate: int = 1
    """parts in which a device takes its share of the batch, one after the other, to need less memory"""
    clip_norm: float | None = None
    """the norm of the whole gradient, beyond which it is scaled down; not by default"""
    learning_rate: float = 1e-3
    """at the end of the warm-up; it then falls to 0 as a cosine"""
    warmup_epochs: float = 5.0
    weight_decay: float = 0.05
    """of kernels; nothing else decays"""
    label_smoothing: float = 0.1
    precision: Literal["float32", "bfloat16"] = "float32"
    """of the arithmetic; weights are kept in float32"""
    strategy: Literal["auto", "one", "mirrored", "multiworker"] = "auto"
    """one device, all of this machine (mirrored), several machines; auto takes all there are"""
    workers: str | None = None
    """host:port,host:port of the processes that train together, else from TF_CONFIG; the first writes the files"""
    index: int | None = None
    """which of the workers this process is, from 0"""
    steps_per_execution: int = 1
    """steps between two looks at the numbers; more are faster where steps are short"""
    seed: int = 0
    output: str = "runs/classifier"
    """the folder of the run; the same command there goes on where it stopped"""
    fresh: bool = False
    """start over: remove what an earlier run wrote to the folder"""


DIGITS = Options(
    image_size=16,  # twice what they are, so that turning and shifting them by parts of a pixel blurs less
    model_options={"patch": 4, "width": 48, "depth": 4, "heads": 4, "hidden": 192},
    augment="affine",
    epochs=50,
    batch=32,
    learning_rate=2e-3,
    output="runs/digits",
)
PRESETS = {
    "plain": Options(),
    "digits": DIGITS,
    "smoke": dataclasses.replace(
        DIGITS,
        image_size=8,
        batch=64,
        model_options={"patch": 4, "width": 16, "depth": 1, "heads": 2, "hidden": 32, "dropout": 0.1},
        epochs=2,
        warmup_epochs=0.5,
        output="runs/smoke",
    ),
}


def train(options, callbacks=()):
    """Returns the model with the weights that were best on the validation images, and its keras History.

    The run lives in the folder `options.output`: there it goes on from its last completed epoch, or answers
    at once when it is done. Raises ValueError for options that can't be met, before any long work, and
    DivergedError where the loss stops being a finite number.
    """
    check(options)
    devices = strategy.choose(options.strategy, options.workers, options.index)
    with cluster.workplace(devices, options) as folder, strategy.precision(options.precision):
        with cluster.chief_first(devices):
            source = data.open_source(options.data, data_dir=options.data_dir, seed=options.seed)
            source = data.share_of(source, options.train_share, options.seed)
        strategy.check_batch(devices, options.batch, source.sizes["train"], options.accumulate)
        strategy.check_steps(options.steps_per_execution, data.steps_per_epoch(source, options.batch))
        keras.utils.set_random_seed(options.seed)
        with devices.scope():
            model = build(options, source)
        folder.begin(options.fresh)
        progress = state.Progress()
        if folder.state.exists():
            with devices.scope():
                progress = state.restore(folder.state, model)
        if folder.is_done():
            print(f"{folder.path} is done; --fresh starts over")
            uncompiled(model).load_weights(folder.best)
            return uncompiled(model), progress.history()
        with source.stopping_clearly(), quietly():
            if progress.epochs < options.epochs:
                fit(model, options, source, folder, progress, callbacks)
            conclude(model, options, source, folder, progress, devices)
        return uncompiled(model), progress.history()


def check(options):
    """Raises ValueError where an option can't be met, whatever the data."""
    registry.resolve(options.model, options.model_options)
    if options.augment not in data.AUGMENTATIONS:
        known = ", ".join(data.AUGMENTATIONS)
        raise ValueError(f"no augmentation {options.augment!r}; it is one of {known}")
    if options.epochs < 1 or not 0 <= options.warmup_epochs < options.epochs:
        raise ValueError(f"{options.warmup_epochs} warmup_epochs do not fit into {options.epochs} epochs")
    if options.learning_rate <= 0 or options.weight_decay < 0 or not 0 <= options.label_smoothing < 1:
        raise ValueError("learning_rate is above 0, weight_decay at least 0, label_smoothing 0 to below 1")
    if options.clip_norm is not None and options.clip_norm <= 0:
        raise ValueError(f"clip_norm is above 0, not {options.clip_norm}")


def build(options, source):
    """Returns the compiled Trainer of the model for the classes and channels of `source`."""
    classes = len(source.labels)
    wanted = {"classes": classes, "channels": source.channels} | options.model_options
    if wanted["classes"] != classes:
        raise ValueError(f"classes={wanted['classes']} does not match {source.name}, which has {classes} classes")
    if options.image_size is not None:
        wanted["image_size"] = options.image_size
    model = keras_vit.build(options.model, weights=options.weights, **wanted)
    if None in model.input_shape[1:]:
        raise ValueError(f"{options.model} takes images of any size; give image_size")
    model = Trainer(model, options.accumulate, options.clip_norm)
    steps = data.steps_per_epoch(source, options.batch)
    model.compile(
        optimizer=optimizers.adamw(
            model.trainable_variables,
            options.learning_rate,
            options.weight_decay,
            steps=options.epochs * steps,
            warmup_steps=round(options.warmup_epochs * steps),
        ),
        loss=keras.losses.CategoricalCrossentropy(from_logits=True, label_smoothing=options.label_smoothing),
        metrics=["accuracy"],
        steps_per_execution=options.steps_per_execution,
    )
    return model


def preprocessing_of(model):
    """Returns the Preprocessing that makes images fit the input of `model`, that of the checkpoint it began from."""
    _, height, width, channels = model.input_shape
    checkpoint = getattr(model, "published", None)
    if checkpoint is None:
        return data.Preprocessing(image_size=(height, width), channels=channels)
    return data.as_trained(checkpoint, (height, width), channels)


def one_hot(batches, source):
    """`batches` of (images, labels) with labels (B, classes), as label smoothing wants them."""
    return batches.map(lambda images, labels: (images, keras.ops.one_hot(labels, len(source.labels))))


def held_out(split, model, options, source):
    """Returns the batches of the split "validation" or "test"."""
    batch = strategy.evaluation_batch(model.distribute_strategy, options.batch)
    batches = data.evaluation_batches(source, split, preprocessing_of(model), batch)
    return one_hot(batches, source)


def fit(model, options, source, folder, progress, callbacks):
    """Trains `model` from the epoch that `progress` stands at to the last, keeping its state in `folder`."""
    steps = data.steps_per_epoch(source, options.batch)
    batches = data.training_batches(
        source,
        preprocessing_of(model),
        options.batch,
        augment=options.augment,
        seed=options.seed,
        first_epoch=progress.epochs,
        epochs=options.epochs,
    )
    shown = ShowProgress(options.epochs, steps, options.batch, progress.rows)
    own = [
        StopOnNaN(folder),
        Checkpoint(folder, progress, source),
        keras.callbacks.TensorBoard(folder.tensorboard, write_graph=False),
        shown,
    ]
    try:
        model.fit(
            one_hot(batches, source),
            validation_data=held_out("validation", model, options, source),
            initial_epoch=progress.epochs,
            epochs=options.epochs,
            steps_per_epoch=steps,
            shuffle=False,  # `batches` are shuffled
            callbacks=[*own, *callbacks],
            verbose=0,
        )
    finally:
        shown.close()


def conclude(model, options, source, folder, progress, devices):
    """Gives `model` its best weights, measures them once on the test images, writes and prints the result."""
    folder.publish_best(progress.best["epoch"])
    uncompiled(model).load_weights(folder.best)
    test = model.evaluate(held_out("test", model, options, source), return_dict=True, verbose=0)
    curves.draw(progress.rows, folder.curves, f"{options.model} on {source.name}", progress.best)
    outcome = {
        "test": test | {"images": source.sizes["test"]},
        "best": progress.best,
        "parameters": model.count_params(),
        "seconds": progress.seconds,
        "options": dataclasses.asdict(options),
        "seed": options.seed,
        "labels": list(source.labels),
        "preprocessing": dataclasses.asdict(preprocessing_of(model)),
        "images": source.sizes,
        "skipped": sorted({*progress.skipped, *source.skipped}),
        "devices": strategy.names(devices),
        **result.machine(),
    }
    files.write_json(folder.result, outcome)
    table = Table(show_header=False)
    table.add_row("test accuracy", f"{test['accuracy']:.2%} of {source.sizes['test']} images")
    table.add_row("validation accuracy", f"{progress.best['val_accuracy']:.2%}, in epoch {progress.best['epoch']}")
    table.add_row("training took", f"{progress.seconds:.0f} s on {', '.join(outcome['devices'])}")
    table.add_row("skipped images", str(len(outcome["skipped"])))
    table.add_row("written to", str(folder.path))
    show(table)


if __name__ == "__main__":
    command_line.run(train, PRESETS, __doc__)
