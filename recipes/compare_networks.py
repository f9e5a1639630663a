"""Compares an MLP, LeNet, ResNet, ViT, hybrid and Mixer: trained alike on the same images, then asked what they do.

    python -m keras_vit.recipes.compare_networks --preset fashion
    python -m keras_vit.recipes.compare_networks --preset cifar10
    python -m keras_vit.recipes.compare_networks --data folder:photos --augment flip-crop --output runs/photos

Writes one HTML file that needs nothing else, and the same as Markdown: accuracy, calibration, the worth of more images,
what corruptions, hidden and shuffled patches do, where the networks look, how far their attention reaches, what a cell
sees, and how alike their layers are; for each a picture, the numbers, and a sentence that says what was measured.
Both presets take a fifth of the images and networks of about 80 thousand parameters, so that 2 CPU cores do: "fashion"
took them 30 minutes, "cifar10" 32, with 30 trainings each, two at a time, and what is measured.
What was found: docs/compare_networks.md.
"""

import csv
import dataclasses
import json
import os
import platform
import time
from pathlib import Path

import keras
import numpy as np

import keras_vit
from keras_vit import backend, cli, data, files, models
from keras_vit.data import preparing
from keras_vit.data.skipping import decode_or_skip
from keras_vit.studies.networks import insides, layers, outcomes, robustness
from keras_vit.studies.networks.networks import networks
from keras_vit.studies.networks.study import Contestant, Run, Study
from keras_vit.studies.networks.trainings import train_all
from keras_vit.studies.report import write_markdown, write_report
from keras_vit.tasks.presets import classify as presets
from keras_vit.training.runs import provenance
from keras_vit.training.runs.folder import RunFolder
from keras_vit.training.train import train

tf = backend.load("tensorflow")

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


@dataclasses.dataclass(frozen=True, kw_only=True)
class Options:
    """Which networks are compared, on what, and with how much training each."""

    data: str = "digits"
    """digits, folder:PATH with one folder of images a class, or a data set of tensorflow-datasets"""
    data_dir: str | None = None
    """where tensorflow-datasets keeps its files; its own place by default"""
    networks: tuple[str, ...] = ("MLP", "LeNet", "ResNet", "ViT", "hybrid", "Mixer")
    """which to compare"""
    image_size: int = 32
    """side in pixels that images are brought to for all networks, a multiple of 32"""
    width: int = 48
    """of the tokens of the ViT, the hybrid and the Mixer, a multiple of 16; the others are made about as large"""
    depth: int = 4
    """blocks of the ViT and the hybrid"""
    train_fraction: float = 1.0
    """part of the training images that the study calls 100 %"""
    shares: tuple[float, ...] = (0.1, 0.3, 1.0)
    """parts of these that are trained on, the last the largest; every training takes the same number of steps"""
    processes: int = 1
    """trainings that go on at a time, each on one core of the processor; a single one has all devices of the machine"""
    seeds: int = 3
    """trainings on the largest share, of which the spread is shown; one on each smaller share"""
    epochs: int = 30
    """over the largest share"""
    batch_size: int = 64
    learning_rate: float = 2e-3
    """at the end of the warm-up, a tenth of the training; it then falls to 0 as a cosine"""
    weight_decay: float = 0.05
    augment: str = "flip-crop"
    """as in train_classifier"""
    images: int = 2000
    """test images on which the trained networks are looked into, and training images for the probes"""
    output: str = "runs/compare"
    """the folder of the study; the same command there goes on where it stopped"""
    fresh: bool = False
    """start over: remove what earlier trainings wrote to the folder"""


def fashion() -> Options:
    """A fifth of Fashion-MNIST."""
    return Options(data="fashion_mnist", train_fraction=0.2, epochs=6, processes=2, output="runs/compare_fashion_mnist")


def cifar10() -> Options:
    """A fifth of CIFAR-10."""
    return Options(data="cifar10", train_fraction=0.2, epochs=8, processes=2, output="runs/compare_cifar10")


def smoke() -> Options:
    """A minute on the digits, to see that everything works; the result means nothing."""
    return Options(
        width=16,
        depth=1,
        shares=(0.5, 1.0),
        seeds=1,
        epochs=2,
        augment="affine",
        images=96,
        networks=("MLP", "ResNet", "ViT", "hybrid", "Mixer"),
        output="runs/compare_smoke",
    )


PRESETS = {"fashion": fashion, "cifar10": cifar10, "smoke": smoke}


def training_of(options, name, network, share, seed):
    """Returns the Options of train_classifier of one training, in a folder of its own."""
    epochs = round(options.epochs * options.shares[-1] / share)
    return presets.plain().replace(
        data=options.data,
        data_dir=options.data_dir,
        train_fraction=options.train_fraction * share,
        model=network.model,
        image_size=options.image_size,
        model_options=network.options,
        augment=options.augment,
        epochs=epochs,
        batch_size=options.batch_size,
        learning_rate=options.learning_rate,
        warmup_epochs=epochs / 10,
        weight_decay=options.weight_decay,
        label_smoothing=0.0,  # which would move every network's confidence by the same wish
        seed=seed,
        output=str(Path(options.output) / "training" / f"{name}-{100 * share:g}-seed-{seed}"),
        fresh=options.fresh,
    )


def compare(options):
    """Trains what isn't trained yet, measures, and writes the report; returns its path.

    Raises ValueError for options that can't be met, before any training.
    """
    check(options)
    source = data.open_source(options.data, data_dir=options.data_dir)
    sizes = {"image_size": options.image_size, "width": options.width, "depth": options.depth}
    chosen = networks(options.networks, source.channels, len(source.labels), **sizes)
    train_missing(options, chosen)
    contestants = [contestant(options, name, network, source) for name, network in chosen.items()]
    begin = time.monotonic()
    sections = measure(options, source, contestants)
    path = Path(options.output) / "report.html"
    title = f"From neural network to Vision Transformer, on {options.data}"
    made = facts(options, contestants, time.monotonic() - begin)
    write_report(path, title, LEAD, sections, made)
    write_markdown(path.with_suffix(".md"), title, LEAD, sections, made)
    files.write_json(Path(options.output) / "measured.json", {each.title: each.measured for each in sections})
    print(f"the report: {path}")
    return path


def check(options):
    """Raises ValueError where the options make no comparison, whatever the data."""
    shares = options.shares
    if not shares or list(shares) != sorted(set(shares)) or not 0 < shares[0] <= shares[-1] <= 1:
        raise ValueError(f"shares rise from above 0 to at most 1, such as 0.1 0.3 1, not {shares}")
    if min(options.seeds, options.processes, len(options.networks)) < 1 or options.images < 16:
        raise ValueError("seeds, processes and networks are at least 1, images at least 16")


def trainings_of(options, name, network):
    """Returns the Options of every training of one network, by (share, seed), the smallest share first."""
    return {
        (share, seed): training_of(options, name, network, share, seed)
        for share in options.shares
        for seed in range(options.seeds if share == options.shares[-1] else 1)
    }


def train_missing(options, chosen):
    """Trains what isn't trained yet of the networks {name: Network}."""
    missing = {}
    for name, network in chosen.items():
        for (share, seed), training in trainings_of(options, name, network).items():
            folder = RunFolder(training.run.output, training)
            folder.check(options.fresh)
            if options.fresh or not folder.is_done():
                missing[f"{name}, {share:.0%} of the images, seed {seed}"] = training
    train_all(train, missing, options.processes)


def contestant(options, name, network, source):
    """Returns the Contestant of a network whose trainings are done."""
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
    return Contestant(name, network.idea, *sizes, keras.saving.load_model(best), untrained, runs)


def run_of(folder, share, seed):
    """Returns the Run that a folder holds."""
    result = json.loads(folder.result.read_text(encoding="utf-8"))
    with folder.history.open(encoding="utf-8") as lines:
        rows = tuple({key: float(value) for key, value in row.items()} for row in csv.DictReader(lines))
    return Run(share, seed, result["images"]["train"], result["test"]["accuracy"], rows, result["seconds"])


def measure(options, source, contestants):
    """Returns the sections of the report."""
    preprocessing = data.model_preprocessing(contestants[0].model)
    images, answers = sample(source, "test", preprocessing, options.images)
    pictures = Path(options.output) / "pictures"
    pictures.mkdir(parents=True, exist_ok=True)
    study = Study(
        data=options.data,
        labels=source.labels,
        contestants=tuple(contestants),
        images=images,
        answers=answers,
        learned=sample(source, "train", preprocessing, options.images),
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


def sample(source, split, preprocessing, count):
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


def facts(options, contestants, seconds):
    """Returns what to know about how the report came to be, as {what: text}."""
    runs = [run for each in contestants for run in each.runs]
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


if __name__ == "__main__":
    cli.run(compare, PRESETS, __doc__)
