"""The result of a training: result.json, the curves, and the table that is printed."""

import dataclasses
from typing import Any

import keras
from rich import print as show
from rich.table import Table
from rich.text import Text

from keras_vit import files
from keras_vit.pictures import curves_picture
from keras_vit.training.context import Training
from keras_vit.training.devices import strategy
from keras_vit.training.runs import provenance
from keras_vit.training.runs.folder import RunFolder
from keras_vit.training.task import Task


def write(training: Training, best: keras.Model, test: dict[str, float], metrics: dict[str, Any]) -> None:
    """Writes and prints what came out: `test` are the numbers of the model `best`, and `metrics` what measured them."""
    options, folder, source, progress = training.options, training.folder, training.source, training.progress
    _draw(training)
    found = {
        "test": test | {"images": source.sizes["test"]},
        "best": training.best,
        **options.task.report(options, source, folder, metrics),
        "preprocessing": dataclasses.asdict(training.learner.preprocessing),
        "parameters": best.count_params(),
        "seconds": progress.seconds,
        "started": progress.started,
        "schedules": progress.schedules,
        "ended": provenance.now(),
        "options": options.flat(),
        "seed": options.run.seed,
        "images": source.sizes,
        "skipped": sorted({*progress.skipped, *source.skipped}),
        "devices": strategy.names(training.devices),
        **provenance.machine(),
    }
    files.write_json(folder.result, found)
    shown = options.task.shown(source) if hasattr(options.task, "shown") else ()
    _show(options.task.monitor, found, folder, shown)
    tell_commands(options.task, folder)


def tell_commands(task: Task, folder: RunFolder) -> None:
    """Prints the commands that go on from a finished run, where its task knows some."""
    if commands := getattr(task, "commands", None):
        print("go on with:", *commands(folder), sep="\n  ")


def _draw(training):
    options, rows, best = training.options, training.progress.rows, training.best
    monitor = options.task.monitor
    number, percent = monitor.name.removeprefix("val_"), monitor.spec.endswith("%")
    curves_picture(training.folder.curves, rows, options.title(), number, best, percent)


def _show(monitor, found, folder, shown=()):
    name, best, test = monitor.name.removeprefix("val_"), found["best"], found["test"]
    table = Table(show_header=False)
    for each in (name, *shown):
        words = each.replace("_", " ")
        if each in test:
            table.add_row(f"test {words}", f"{monitor.format(test[each])} of {test['images']} images")
        held_out = monitor.name if each == name else f"val_{each}"
        if held_out in best:
            table.add_row(f"validation {words}", f"{monitor.format(best[held_out])}, in epoch {best['epoch']}")
    table.add_row("training took", f"{found['seconds']:.0f} s on {', '.join(found['devices'])}")
    table.add_row("skipped images", str(len(found["skipped"])))
    table.add_row("written to", Text(str(folder.path)))  # whose brackets are no markup
    show(table)
