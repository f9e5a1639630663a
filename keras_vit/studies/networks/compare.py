"""Trains networks of different kinds alike on the same images, measures what they do, and writes the report."""

import csv
import dataclasses
import os
import platform
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np

import keras_vit
from keras_vit import backend, data, files, models
from keras_vit.data import preparing
from keras_vit.data.skipping import decode_or_skip
from keras_vit.studies.networks import insides, layers, outcomes, robustness
from keras_vit.studies.networks.networks import Network, networks
from keras_vit.studies.networks.options import Options, check
from keras_vit.studies.networks.study import Candidate, Run, Study
from keras_vit.studies.networks.trainings import train_missing, trainings_of
from keras_vit.studies.report import Section, write_markdown, write_report
from keras_vit.training import options as training_options
from keras_vit.training.runs import provenance
from keras_vit.training.runs.folder import RunFolder

tf = backend.load("tensorflow")

ALONE = (
    "A network learns from images. Each step shows a picture, the numbers that were measured, and what they say; "
    "there is no other network to compare it with."
)
LEAD = (
    "Networks of different kinds learn from the same images with the same budget. Each step shows a picture, the "
    "numbers that were measured, and what they say; which network does best is left to the measurement."
)
STEPS = (
    outcomes.images,
    outcomes.networks,
    outcomes.training,
    outcomes.accuracy,
    outcomes.data_size,
    outcomes.confidence,
    robustness.corruptions,
    robustness.occlusion,
    robustness.shuffle,
    insides.looking,
    insides.distances,
    insides.receptive_fields,
    layers.probes,
    layers.similarities,
)


def compare(options: Options, train: Callable[[training_options.Options], Any]) -> Path:
    """Trains what isn't trained yet by `train`, measures, and writes the report; returns its path.

    Raises ValueError for options that can't be met, before any training.
    """
    check(options)
    source = data.open_source(options.data, data_dir=options.data_dir)
    sizes = {"image_size": options.image_size, "width": options.width, "depth": options.depth}
    chosen = networks(options.networks, source.channels, len(source.labels), **sizes)
    train_missing(train, options, chosen)
    candidates = [candidate(options, name, network, source) for name, network in chosen.items()]
    begin = time.monotonic()
    sections = measure(options, source, candidates)
    path = Path(options.output) / "report.html"
    title = f"From neural network to Vision Transformer, on {options.data}"
    made = facts(options, candidates, time.monotonic() - begin)
    lead = LEAD if len(candidates) > 1 else ALONE
    write_report(path, title, lead, sections, made)
    write_markdown(path.with_suffix(".md"), title, lead, sections, made)
    files.write_json(Path(options.output) / "measured.json", {each.title: each.measured for each in sections})
    print(f"the report: {path}")
    return path


def candidate(options: Options, name: str, network: Network, source: data.Source) -> Candidate:
    """Returns the Candidate of a network whose trainings are done."""
    trainings = trainings_of(options, name, network)
    folders = {key: RunFolder(training.run.output, training) for key, training in trainings.items()}
    shape = network.options | {
        "image_size": options.image_size,
        "channels": source.channels,
        "classes": len(source.labels),
    }
    best = folders[options.shares[-1], 0].best
    untrained = keras_vit.build(network.model, **shape)
    sizes = models.count_both(network.model, **shape)
    runs = tuple(run_of(folder, *key) for key, folder in folders.items())
    return Candidate(name, network.idea, *sizes, keras.saving.load_model(best), untrained, runs)


def run_of(folder: RunFolder, share: float, seed: int) -> Run:
    """Returns the Run that a folder holds."""
    result = files.read_json(folder.result)
    with folder.history.open(encoding="utf-8") as lines:
        rows = tuple({key: float(value) for key, value in row.items()} for row in csv.DictReader(lines))
    images, accuracy = result["images"], result["test"]["accuracy"]
    return Run(share, seed, images["train"], images["validation"], accuracy, rows, result["seconds"])


def measure(options: Options, source: data.Source, candidates: Sequence[Candidate]) -> list[Section]:
    """Returns the sections of the report."""
    preprocessing: Any = data.model_preprocessing(candidates[0].model)
    images, labels = sample(source, "test", preprocessing, options.images)
    pictures = files.folder(Path(options.output) / "pictures")
    study = Study(
        data=options.data,
        class_names=source.labels,
        candidates=tuple(candidates),
        images=images,
        labels=labels,
        train_sample=sample(source, "train", preprocessing, options.images),
        tested=source.sizes["test"],
        mean=preprocessing.mean,
        std=preprocessing.std,
        folder=pictures,
    )
    found = []
    with preparing.quiet():  # TensorFlow warns that it compiles a function for each of the networks
        for step in STEPS:
            print(f"measuring: {step.__name__}", flush=True)
            found.append(step(study))
    return [each for each in found if each is not None]


def sample(
    source: data.Source, split: str, preprocessing: data.Preprocessing, count: int
) -> tuple[np.ndarray, np.ndarray]:
    """Returns (images (B, H, W, C), labels (B,)) of at most `count` images of a split, always the same."""
    kept = np.zeros(source.sizes[split], bool)
    kept[np.random.default_rng(0).permutation(len(kept))[:count]] = True

    decode = data.decoder(source.targets, preprocessing)
    rows = tf.data.Dataset.zip(source.examples(split), tf.data.Dataset.from_tensor_slices(kept))
    rows = rows.filter(lambda _, keep: keep)
    rows = rows.map(lambda example, _: example)
    with source.stopping_clearly():
        decoded = decode_or_skip(rows, lambda example: decode(example, (0, 0)), source.recorder, split)
        drawn = next(decoded.batch(count).as_numpy_iterator())
    return drawn["image"], drawn["label"]


def facts(options: Options, candidates: Sequence[Candidate], seconds: float) -> dict[str, str]:
    """Returns what to know about how the report came to be, as {what: text}."""
    runs = [run for each in candidates for run in each.runs]
    given = {
        key: value for key, value in dataclasses.asdict(options).items() if key not in ("data_dir", "output", "fresh")
    }
    return {
        "trainings": f"{len(runs)}, {options.processes} at a time, whose times add up to "
        f"{sum(run.seconds for run in runs) / 60:.1f} minutes",
        "measuring": f"{seconds / 60:.1f} minutes",
        "machine": f"{os.cpu_count()} CPU cores, {platform.system()} {platform.machine()}",
        "options": ", ".join(f"{key} {value}" for key, value in given.items()),
        "versions": ", ".join(f"{name} {version}" for name, version in provenance.versions().items()),
    }
