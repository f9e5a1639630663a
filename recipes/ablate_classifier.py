"""Changes one thing of a small-data preset at a time, with several seeds each, and tabulates what each is worth.

    python -m keras_vit.recipes.ablate_classifier --preset digits --epochs 20

The table it writes is that of docs/small_data.md. Stopped, it goes on where it was when it is started again.
"""

import argparse
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

from keras_vit import cli
from keras_vit.files import read_json, write_csv, write_json
from keras_vit.tasks.presets.classify import PRESETS
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


def run(preset, changes, seeds, output, **options):
    """Trains `preset` with each of `changes` from each of `seeds`; returns {change: test accuracies, one a seed}.

    `options` replace others of the preset for all of them. Each run has a folder of its own below `output`.
    """
    base = PRESETS[preset]().replace(**options)
    found = {}
    for number, (name, change) in enumerate(changes.items()):
        found[name] = []
        for seed in seeds:
            folder = Path(output) / f"{number}-seed-{seed}"
            train(changed(base, change, seed=seed, output=str(folder)))
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


def main():
    """Runs the changes with the options of the command line."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--preset", default="digits", choices=["digits", "smoke"], help="what is changed")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--epochs", type=int, default=None, help="those of the preset unless given")
    parser.add_argument("--output", default="runs/ablation", help="folder for everything it writes")
    parser.add_argument("--data-dir", default=None, help="where tensorflow-datasets keeps its files")
    given = parser.parse_args()
    options = {"data_dir": given.data_dir} | ({} if given.epochs is None else {"epochs": given.epochs})
    found = run(given.preset, CHANGES, given.seeds, given.output, **options)
    write(found, given.seeds, given.output)
    Console().print(table_of(found))


if __name__ == "__main__":
    cli.call(main)
