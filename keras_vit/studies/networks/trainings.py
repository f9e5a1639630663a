"""The trainings of a comparison, one after the other or side by side."""

import contextlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import keras

from keras_vit import files
from keras_vit.backend import load
from keras_vit.studies.networks.networks import Network
from keras_vit.studies.networks.options import Options
from keras_vit.tasks.presets import classify as presets
from keras_vit.training import options as training_options
from keras_vit.training.devices import preemption
from keras_vit.training.runs.folder import RunFolder


def training_of(options: Options, name: str, network: Network, share: float, seed: int) -> training_options.Options:
    """Returns the Options of one training, in a folder of its own."""
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


def trainings_of(options: Options, name: str, network: Network) -> dict[tuple[float, int], training_options.Options]:
    """Returns the Options of every training of one network, by (share, seed), the smallest share first."""
    return {
        (share, seed): training_of(options, name, network, share, seed)
        for share in options.shares
        for seed in range(options.seeds if share == options.shares[-1] else 1)
    }


def train_missing(
    train: Callable[[training_options.Options], Any], options: Options, chosen: Mapping[str, Network]
) -> None:
    """Calls `train` with the options of what isn't trained yet of the networks {name: Network}."""
    missing = {}
    for name, network in chosen.items():
        for (share, seed), each in trainings_of(options, name, network).items():
            folder = RunFolder(each.run.output, each)
            folder.check(options.fresh)
            folder.check_length(options.fresh)
            if options.fresh or not folder.is_done():
                missing[f"{name}, {share:.0%} of the images, seed {seed}"] = each
    train_all(train, missing, options.processes)


def train_all(
    train: Callable[[training_options.Options], Any],
    trainings: Mapping[str, training_options.Options],
    processes: int = 1,
) -> None:
    """Calls `train` with the options of each of {what it is: options}, and prints which are done.

    With one process each has all devices of the machine, and prints what it does. With several, as many go on at a
    time, each in a process on one core and without a GPU: small networks gain nothing by a second core. What these
    print stands in a text file beside their `output`. What one raises ends all; who calls again goes on with them.
    """
    joblib = load("joblib")
    one, ending = (_alone, contextlib.nullcontext) if processes == 1 else (_on_one_core, preemption.exiting)
    work = joblib.Parallel(n_jobs=processes, batch_size=1, return_as="generator_unordered")
    with ending():
        done = work(joblib.delayed(one)(train, what, options) for what, options in trainings.items())
        for i, what in enumerate(done, start=1):
            print(f"{i} of {len(trainings)} trainings done: {what}", flush=True)


def _alone(train, what, options):
    print(what, flush=True)
    train(options)
    keras.utils.clear_session()  # else the graphs of all trainings stay in memory
    return what


def _on_one_core(train, what, options):
    tf = load("tensorflow")
    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.set_visible_devices([], "GPU")
    told = Path(f"{options.run.output}.txt")
    files.folder(told.parent)
    with told.open("a", encoding="utf-8") as file, contextlib.redirect_stdout(file):
        return _alone(train, what, options)
