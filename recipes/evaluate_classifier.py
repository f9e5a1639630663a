"""Measures a classifier on the test images of its training, or on other data.

    keras-vit evaluate runs/photos
    keras-vit evaluate runs/photos --data folder:other --split all
    keras-vit evaluate photos.keras --data folder:photos

Prints accuracy, balanced accuracy, loss, the expected calibration error and the classes; runs/evaluation, or the
--output, has evaluation.json, classes.csv, the confusion matrix and the reliability diagram. The loss is that of the
run's training, with its label smoothing; of any other model it is the plain cross-entropy. Classes are compared by
their names, and the data may have some of the model's alone.
"""

import dataclasses
import functools
import sys
from typing import Annotated, Literal

import tyro
from rich.console import Console
from rich.table import Table
from rich.text import Text

from keras_vit import checked, cli, files, saved
from keras_vit.pictures import confusion_picture, reliability_picture
from keras_vit.tasks import confusion, evaluation
from keras_vit.training.runs import provenance

SHOWN = 20  # classes that are printed


@checked.options
class Options:
    """What to measure, and on what."""

    model: tyro.conf.Positional[Annotated[str, tyro.conf.arg(metavar="MODEL")]] = tyro.MISSING
    """folder of a run, a .keras file, MODEL:TAG of a published checkpoint, or MODEL:PATH"""
    data: str | None = None
    """digits, folder:PATH, or the name of a data set of tensorflow-datasets; that of the run unless given"""
    data_dir: str | None = None
    """where tensorflow-datasets keeps its files; that of the run, or its own place, unless given"""
    split: Literal["test", "validation", "train", "all"] = "test"
    """which of its images; all takes them together, as for a folder of new images"""
    output: str = "runs/evaluation"
    """folder to write to"""

    def __post_init__(self):
        if saved.is_run(files.local_path(self.output)):
            raise ValueError(f"output {self.output!r} holds a training; name another folder")


def evaluate(options):
    """Measures, prints, and writes the folder; ValueError for what can't be measured."""
    given = {name: value for name in ("data", "data_dir") if (value := getattr(options, name)) is not None}
    asked = evaluation.options_of(options.model, **given)
    found = evaluation.evaluate(options.model, asked, options.split)
    for note in found.notes:
        print(f"note: {note}", file=sys.stderr)
    write(options, asked, found)
    show(options, asked, found)
    return found


def write(options, asked, found):
    """Writes all that was measured to the folder `options.output`."""
    folder = files.folder(options.output)
    labels = list(found.labels)
    told = {"model": options.model, "data": asked.data.name, "split": options.split, "numbers": found.numbers}
    title = f"{options.model} on {asked.data.name}"
    for name in ("classes.csv", "confusion.csv", "confusion.png", "calibration.png"):
        (folder / name).unlink(missing_ok=True)  # of another model
    if found.matrix is not None:
        pairs = confusion.most_confused(found.matrix, labels)
        confusion.write_csv(found.matrix, labels, folder / "confusion.csv")
        confusion_picture(folder / "confusion.png", found.matrix, labels, title, pairs)
        files.write_csv(folder / "classes.csv", found.classes[0], (each.values() for each in found.classes))
        told |= {"classes": found.classes, "most_confused": pairs}
    if found.calibration is not None:
        reliability_picture(folder / "calibration.png", {title: found.calibration}, least=1)
        bins = {name: value.tolist() for name, value in dataclasses.asdict(found.calibration).items()}
        bins = {name: [None if x != x else x for x in value] for name, value in bins.items()}  # JSON has no NaN
        told["calibration"] = {**bins, "error": found.calibration.error, "excess": found.calibration.excess}
    told |= {"skipped": found.skipped, "notes": found.notes, "when": provenance.now(), **provenance.machine()}
    files.write_json(folder / "evaluation.json", told)


def show(options, asked, found):
    """Prints the numbers, and the classes that are recognised worst."""
    console, numbers = Console(), Table(show_header=False)
    numbers.add_row("images", f"{found.numbers['images']:,}, {options.split} of {asked.data.name}")
    for name, value in found.numbers.items():
        if name != "images":
            numbers.add_row(name.replace("_", " "), f"{value:.4f}" if name == "loss" else f"{value:.2%}")
    console.print(numbers)
    if rows := sorted(found.classes, key=lambda each: 2.0 if each["recall"] is None else each["recall"])[:SHOWN]:
        title = "classes" if len(rows) == len(found.classes) else f"the {SHOWN} classes recognised worst"
        table = Table("class", "images", "recall", "precision", title=title, title_justify="left")
        for each in rows:
            shares = ("–" if each[key] is None else f"{each[key]:.1%}" for key in ("recall", "precision"))
            table.add_row(Text(each["label"]), str(each["images"]), *shares)  # whose brackets are no markup
        console.print(table)
    console.print(Text(f"written to {options.output}"))


main = functools.partial(cli.run, evaluate, {"plain": Options}, __doc__)

if __name__ == "__main__":
    main()
