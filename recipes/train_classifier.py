"""Trains a classifier of images: handwritten digits in about a minute, your own folder, or a TFDS data set.

    python -m keras_vit.recipes.train_classifier --preset digits
    python -m keras_vit.recipes.train_classifier --data folder:photos --model vit-s16 --augment flip-crop
    python -m keras_vit.recipes.train_classifier --preset deit --help

The last shows what a preset stands for, where its numbers are from and what it reached.
"""

import contextlib
import dataclasses

import keras
from rich import print as show
from rich.table import Table

from keras_vit import cli, data, files, registry
from keras_vit.pictures import confusion_picture, curves_picture
from keras_vit.tasks import classifier, confusion
from keras_vit.tasks.classifier import preprocessing_of
from keras_vit.tasks.classify import Classify
from keras_vit.tasks.presets.classify import PRESETS
from keras_vit.training import resuming
from keras_vit.training.averaging import MeasureAverage
from keras_vit.training.callbacks import StopOnNaN, quietly
from keras_vit.training.devices import cluster, preemption, strategy
from keras_vit.training.monitor.profiling import Profile
from keras_vit.training.monitor.progress import ShowProgress
from keras_vit.training.monitor.tensorboard import ShowInput
from keras_vit.training.options import Options
from keras_vit.training.runs import provenance, state
from keras_vit.training.runs.checkpoint import Checkpoint

__all__ = ["PRESETS", "Options", "preprocessing_of", "train"]


def train(options, callbacks=()):
    """Returns the model with the weights that were best on the validation images, and its keras History.

    The run lives in the folder `options.run.output`: there it goes on from its last saved state, or answers
    at once when it is done. On SIGTERM it saves its state and ends the process with status 143. Raises
    ValueError for options that can't be met, before any long work, DivergedError where the loss stops being a finite
    number, and WriteError where the disk is full.
    """
    check(options)
    devices = strategy.choose(options.devices.strategy, options.devices.workers, options.devices.index)
    with cluster.workplace(devices, options) as folder, strategy.precision(options.devices.precision):
        with cluster.chief_first(devices):
            source = data.open_source(options.data.name, data_dir=options.data.data_dir, seed=options.run.seed)
            source = data.subset(source, options.data.train_fraction, options.run.seed)
        strategy.check_batch(
            devices, options.optim.batch_size, source.sizes["train"], options.optim.gradient_accumulation
        )
        strategy.check_steps(
            options.devices.steps_per_execution, data.steps_per_epoch(source, options.optim.batch_size)
        )
        keras.utils.set_random_seed(options.run.seed)
        with devices.scope():
            network = classifier.network(options, source)
            model = classifier.learner(network, options, source)
        folder.begin(options.run.fresh)
        progress = state.Progress()
        if folder.state.exists():
            with devices.scope():
                progress = state.restore(folder.state, model)
        progress.started = progress.started or provenance.now()
        if folder.is_done():
            print(f"{folder.path} is done; --fresh starts over")
            return best_of(folder), progress.history()
        with source.stopping_clearly(), quietly():
            if progress.epochs < options.optim.epochs:
                fit(model, network, options, source, folder, progress, callbacks)
            best = conclude(network, options, source, folder, progress, devices)
        return best, progress.history()


def check(options):
    """Raises ValueError where an option can't be met, whatever the data."""
    _, config = registry.resolve(options.model.name, options.model.options)
    if options.task.teacher is not None and not hasattr(config, "distillation"):
        raise ValueError(f"{options.model.name} has no distillation token to learn from a teacher with; deit-s16 has")
    data.augmentation(options.data.augment)


def batches_for_training(options, source, network, progress):
    """Returns the batches of (images, labels (B, classes)) that are still to be trained on."""
    preprocessing = classifier.training_preprocessing(network, options)
    erased = options.data.random_erasing
    batches = data.training_batches(
        source,
        data.decoder(source.targets, preprocessing, options.data.augment, random_erasing=erased),
        options.optim.batch_size,
        mix=data.mixing(source.targets, mixup=options.task.mixup, cutmix=options.task.cutmix),
        repeated_augmentation=options.data.repeated_augmentation,
        seed=options.run.seed,
        epochs=options.optim.epochs,
        first_epoch=progress.epochs,
        first_step=progress.step,
        corrupt=progress.skipped,
    )
    return batches.map(lambda batch: (batch["image"], batch["label"]))


def held_out(split, network, options, source, devices):
    """Returns the batches of the split "validation" or "test", with labels (B, classes)."""
    batch = strategy.evaluation_batch(devices, options.optim.batch_size)
    decode = data.decoder(source.targets, preprocessing_of(network, options))
    batches = data.evaluation_batches(source, split, decode, batch)
    return batches.map(lambda batch: (batch["image"], keras.ops.one_hot(batch["label"], len(source.labels))))


def fit(model, network, options, source, folder, progress, callbacks):
    """Trains `model` from where `progress` stands to the last epoch, keeping its state in `folder`."""
    steps = data.steps_per_epoch(source, options.optim.batch_size)
    batches = batches_for_training(options, source, network, progress)
    profiled = [] if options.run.profile is None else [Profile(options.run.profile, folder.tensorboard)]
    with preemption.noticing(model.distribute_strategy) as ending:
        keeping = Checkpoint(folder, progress, source, lambda: classifier.kept(network), options.run.save_every, ending)
        shown = ShowProgress(options.optim.epochs, steps, options.optim.batch_size, progress.rows, progress.step)
        own = [
            MeasureAverage(),
            StopOnNaN(folder),
            keeping,
            keras.callbacks.TensorBoard(folder.tensorboard, write_graph=False),
            ShowInput(folder.tensorboard, batches, classifier.training_preprocessing(network, options), source.labels),
            *profiled,
            shown,
        ]
        counts = {"epochs": options.optim.epochs, "steps": steps}
        batches, callbacks = resuming.from_step(model, batches, [*own, *callbacks], progress, **counts)
        with contextlib.ExitStack() as finishing:
            for each in (*profiled, shown):
                finishing.callback(each.close)
            finishing.enter_context(keeping.finishing())
            model.fit(
                batches,
                validation_data=held_out("validation", network, options, source, model.distribute_strategy),
                initial_epoch=progress.epochs,
                epochs=options.optim.epochs,
                steps_per_epoch=steps,
                shuffle=False,  # the batches are shuffled
                callbacks=callbacks,
                verbose=0,
            )


def best_of(folder):
    """Returns the model that the run in `folder` published."""
    return keras.saving.load_model(folder.best, compile=False)


def conclude(network, options, source, folder, progress, devices):
    """Returns the best model, measured once on the test images; writes and prints the result."""
    folder.publish_best(progress.best["epoch"])
    folder.write_history(progress.rows)
    with devices.scope():
        best = best_of(folder)
        counted = confusion.counter(len(source.labels))
        measurer = classifier.measurer(best, options, counted)
    test = measurer.evaluate(held_out("test", best, options, source, devices), return_dict=True, verbose=0)
    title = f"{options.model.name} on {source.name}"
    curves_picture(folder.curves, progress.rows, title, best=progress.best)
    outcome = {
        "test": test | {"images": source.sizes["test"]},
        "best": progress.best,
        "confusion": confused(counted, source, folder, title),
        "parameters": best.count_params(),
        "seconds": progress.seconds,
        "started": progress.started,
        "ended": provenance.now(),
        "options": options.flat(),
        "seed": options.run.seed,
        "labels": list(source.labels),
        "preprocessing": dataclasses.asdict(preprocessing_of(best, options)),
        "images": source.sizes,
        "skipped": sorted({*progress.skipped, *source.skipped}),
        "devices": strategy.names(devices),
        **provenance.machine(),
    }
    files.write_json(folder.result, outcome)
    table = Table(show_header=False)
    table.add_row("test accuracy", f"{test['accuracy']:.2%} of {source.sizes['test']} images")
    table.add_row("validation accuracy", f"{progress.best['val_accuracy']:.2%}, in epoch {progress.best['epoch']}")
    table.add_row("training took", f"{progress.seconds:.0f} s on {', '.join(outcome['devices'])}")
    table.add_row("skipped images", str(len(outcome["skipped"])))
    table.add_row("written to", str(folder.path))
    show(table)
    return best


def confused(counted, source, folder, title):
    """Writes the confusion matrix that was `counted` on the test images, and returns what is told of it."""
    if not counted:
        return {"omitted": f"{len(source.labels)} classes; a matrix is made of up to {confusion.MOST}"}
    matrix = counted[0].matrix
    confusion.write_csv(matrix, source.labels, folder.confusion)
    pairs = confusion.most_confused(matrix, source.labels)
    confusion_picture(folder.confusion_picture, matrix, source.labels, title, pairs)
    return {"counts": folder.confusion.name, "most_confused": pairs}


if __name__ == "__main__":
    cli.run(train, PRESETS, __doc__, Options[Classify])
