"""Predicts the classes of image files, and of all images in folders.

    keras-vit predict runs/digits seven.png three.jpg
    keras-vit predict runs/photos holidays --top 5 --output holidays.csv
    keras-vit predict vit-b16:augreg_in21k_ft_in1k --format jsonl *.jpg

As text, a line for each file, with its likeliest classes and their probabilities; as CSV, a row for each class of each
file, the likeliest first; as JSON Lines, an object a line. Of a model that was trained for several labels of an image
(--loss sigmoid) the probability of each class stands alone: they don't sum to 1. Files that can't be read are named on
stderr, the others are done, and the exit status is 1.
"""

import contextlib
import csv
import functools
import json
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import IO, Annotated, Literal

import numpy as np
import tyro

from keras_vit import checked, cli, data, files, models, outputs, serving
from keras_vit.data import listing

BATCH = 32  # files that are read and predicted at once
NOTED = 100  # files, at least, between two notes of how many are done
ENDINGS = {".txt": "text", ".csv": "csv", ".jsonl": "jsonl"}
HEADER = ("image", "rank", "label", "probability")  # of CSV


@checked.options
class Options:
    """What predicts, and for which images."""

    model: tyro.conf.Positional[Annotated[str, tyro.conf.arg(metavar="MODEL")]] = tyro.MISSING
    """folder of a run, a .keras file, MODEL:TAG of a published checkpoint, or MODEL:PATH"""
    images: tyro.conf.Positional[Annotated[tuple[str, ...], tyro.conf.arg(metavar="IMAGE ...")]] = ()
    """files of images, and folders, in which all images count at any depth"""
    top: int = 1
    """how many classes to tell of each"""
    format: Literal["text", "csv", "jsonl"] | None = None
    """text unless given or told by the ending of the output"""
    output: str | None = None
    """file to write, whole or not at all; the terminal unless given"""

    def __post_init__(self):
        if self.top < 1:
            raise ValueError(f"top is at least 1, not {self.top}")
        if self.output is not None:
            path = files.local_path(self.output)
            if path.is_dir():
                raise ValueError(f"output {self.output!r} is a folder; name a file in it")
            if self.format is None and path.suffix.lower() not in ENDINGS:
                raise ValueError(
                    f"nothing says how {self.output!r} is to be written; end it in {', '.join(ENDINGS)}, "
                    "or give --format"
                )

    @property
    def kind(self) -> str:
        """The format, given or told by the ending of the output."""
        return self.format or ("text" if self.output is None else ENDINGS[Path(self.output).suffix.lower()])


def predict(options):
    """Writes the classes of each image; ValueError for what can't be done at all, SystemExit 1 if some files failed."""
    if not options.images:
        raise ValueError("no images were given; name some files, as in keras-vit predict runs/digits seven.png")
    model = models.model_of(options.model)
    labels = serving.labels_of(model)
    if labels is None:
        raise ValueError(f"{options.model!r} has no classes to predict, only features; name a classifier")
    models.check_head(options.model, model)
    preprocessing = data.model_preprocessing(model)
    if preprocessing is None:
        raise ValueError(f"{options.model!r} says nothing of how its images are prepared; a trained model does")
    failed = []
    paths = listed(options.images, functools.partial(_tell, failed))
    with opened(options.output) as file:
        write = WRITERS[options.kind](file)
        for path, shares in probabilities(model, preprocessing, paths, functools.partial(_tell, failed)):
            likeliest = np.argsort(-shares, kind="stable")[: options.top]
            write(listing.shown(path), [labels[i] for i in likeliest], shares[likeliest].tolist())
    if failed:
        print(f"{len(failed)} of what was given can't be read, as told above; the rest is done", file=sys.stderr)
        sys.exit(1)


def listed(images: Sequence[str], tell: Callable[[str, object], None]) -> list[str]:
    """Returns the files of `images`, in the place of a folder its images; of those that have none it tells why."""
    found = []
    for each in images:
        if not Path(each).is_dir():
            found.append(each)
            continue
        left: listing.Left = {}
        try:
            found += map(str, listing.images(Path(each), left, deep=True))
        except (OSError, data.DataError) as error:
            tell(each, error)
        listing.warn_of(left, Path(each))
    return found


def probabilities(model, preprocessing, paths, tell) -> Iterator[tuple[str, np.ndarray]]:
    """Yields each file and its probabilities (classes,); of those that can't be read it tells why."""
    logits, activation = outputs.with_logits(model)
    step, noted = max(NOTED, len(paths) // 20), 0
    for start, images in zip(range(0, len(paths), BATCH), data.read_each(paths, preprocessing, BATCH), strict=True):
        some = paths[start : start + BATCH]
        read = [(path, image) for path, image in zip(some, images, strict=True) if isinstance(image, np.ndarray)]
        for path, error in zip(some, images, strict=True):
            if isinstance(error, ValueError):
                tell(path, error)
        if read:
            given = logits.predict_on_batch(np.stack([image for _, image in read]))
            yield from zip([path for path, _ in read], outputs.probabilities_of(given, activation), strict=True)
        if (done := start + len(some)) >= noted + step:
            noted = done
            print(f"{done:,} of {len(paths):,} files", file=sys.stderr)


def _tell(failed, path, error):
    failed.append(path)
    why = f"{error.strerror}: {listing.shown(error.filename or path)!r}" if isinstance(error, OSError) else error
    print(f"error: {why}", file=sys.stderr)


@contextlib.contextmanager
def opened(output: str | None) -> Iterator[IO[str]]:
    """Yields what to write to: the terminal, or a file that becomes `output` once all is written."""
    if output is None:
        yield sys.stdout
        return
    path = files.local_path(output)
    files.folder(path.parent)
    with files.replacing(path) as partial, partial.open("w", newline="", encoding="utf-8") as file:
        yield file


def _text(file):
    def write(path, labels, shares):
        told = ", ".join(f"{_in_line(label)} ({share:.1%})" for label, share in zip(labels, shares, strict=True))
        print(f"{_in_line(path)}: {told}", file=file)

    return write


def _in_line(name):
    """Returns a name that may hold a line break, or whatever a terminal obeys, as it can stand in one line."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in name)


def _csv(file):
    rows = csv.writer(file, lineterminator="\r\n")  # else a name that ends in one would stay unquoted
    rows.writerow(HEADER)
    return lambda path, labels, shares: rows.writerows(
        (path, rank, label, share) for rank, (label, share) in enumerate(zip(labels, shares, strict=True), 1)
    )


def _jsonl(file):
    return lambda path, labels, shares: print(
        json.dumps({"image": path, "labels": labels, "probabilities": shares}), file=file
    )


WRITERS = {"text": _text, "csv": _csv, "jsonl": _jsonl}
main = functools.partial(cli.run, predict, {"plain": Options}, __doc__)

if __name__ == "__main__":
    main()
