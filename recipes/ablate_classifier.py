"""Changes one thing of a small-data preset at a time, with several seeds each, and tabulates what each is worth.

    python -m keras_vit.recipes.ablate_classifier --preset digits --epochs 20

The table it writes is that of docs/small_data.md. Stopped, it goes on where it was when it is started again.
"""

import functools
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

from keras_vit import checked, cli
from keras_vit.files import read_json, write_csv, write_json
from keras_vit.tasks.classify import Classify
from keras_vit.tasks.presets import classify as presets
from keras_vit.training.options import Options
from keras_vit.training.runs.folder import RunFolder
from keras_vit.training.train import train

# What is changed of a preset: options of training, and options of the model
CHANGES = {
    "the preset": {},
    "patches twice as large": {"model_options": {"patch": 8}},
    "patches half as large": {"model_options": {"patch": 2}},
    "no augmentation": {"augment": "none"},
    "stochastic depth 0.1": {"model_options": {"drop_path": 0.1}},
    "convolutional stem": {"model_options": {"stem": (24,), "patch": 2}},
}


@checked.options
class Ablation:
    """How often each change is tried."""

    training: Options[Classify]  # what is changed; its `output` is the folder of everything
    seeds: tuple[int, ...] = (0, 1, 2)
    """one training of each change from each"""


def digits() -> Ablation:
    """As `keras-vit train classify --preset digits` trains."""
    return Ablation(training=presets.digits().replace(output="runs/ablation"))


def smoke() -> Ablation:
    """As the preset smoke trains, from one seed: to see that everything works."""
    return Ablation(training=presets.smoke().replace(output="runs/ablation-smoke"), seeds=(0,))


def ablate(options):
    """Trains with each of `CHANGES` from each seed, and writes and prints what each is worth."""
    output = options.training.run.output
    found = run(options.training, CHANGES, options.seeds, output)
    write(found, options.seeds, output)
    Console().print(table_of(found))


def run(base, changes, seeds, output):
    """Trains the options `base` with each of `changes` from each of `seeds`; returns {change: accuracies, one a seed}.

    Each run has a folder of its own below `output`.
    """
    found = {}
    for number, (name, change) in enumerate(changes.items()):
        found[name] = []
        for seed in seeds:
            folder = Path(output) / f"{number}-seed-{seed}"
            options = changed(base, change, seed=seed, output=str(folder))
            RunFolder(folder, options).check_length(base.run.fresh)
            train(options)
            told = read_json(folder / "result.json")
            found[name].append(told["test"]["accuracy"])
    return found


def changed(base, change, **options):
    """Returns the options `base` with `change`, whose model options add to its own."""
    model_options = base.model.options | change.get("model_options", {})
    return base.replace(**{**change, "model_options": model_options, **options})


def write(found, seeds, output):
    """Writes the accuracies of every run to ablation.csv and their means to ablation.json below `output`."""
    rows = [(name, *each) for name, accuracies in found.items() for each in zip(seeds, accuracies, strict=True)]
    write_csv(Path(output) / "ablation.csv", ("change", "seed", "test accuracy"), rows)
    means = {name: {"mean": float(np.mean(each)), "std": _spread(each)} for name, each in found.items()}
    write_json(Path(output) / "ablation.json", means)


def table_of(found):
    """Returns the table of `found`: mean and standard deviation of each change, and the difference to the first."""
    table = Table("change", "test accuracy", "against the preset", title="one thing changed at a time")
    first = next(iter(found))
    for name, accuracies in found.items():
        mean = np.mean(accuracies)
        difference = "" if name == first else f"{100 * (mean - np.mean(found[first])):+.1f}"
        table.add_row(name, f"{100 * mean:.1f} ± {100 * _spread(accuracies):.1f} %", difference)
    return table


def _spread(values):
    return float(np.std(values, ddof=1)) if len(values) > 1 else 0.0


main = functools.partial(cli.run, ablate, {"digits": digits, "smoke": smoke}, __doc__)

if __name__ == "__main__":
    main()
