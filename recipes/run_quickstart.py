"""From nothing to a Vision Transformer that serves: trains on real digits, shows what it sees, exports, classifies.

python -m keras_vit.recipes.run_quickstart

Everything lies in runs/quickstart afterwards. Run again it goes on where it stopped; --fresh starts over.
"""

import functools
import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import tyro
from rich.console import Console
from rich.table import Table

import keras_vit
from keras_vit import analysis, checked, cli, data, files
from keras_vit.pictures.attention import attention_picture
from keras_vit.tasks.presets.classify import PRESETS
from keras_vit.training.train import train

console = Console()


@checked.options
class Options:
    """Where everything is written."""

    output: str = "runs/quickstart"
    """folder for everything it writes"""
    fresh: bool = False
    """start over"""
    training: tyro.conf.Suppress[tyro.conf.Fixed[str]]  # the name of the preset of a training


def digits() -> Options:
    """As `keras-vit train classify --preset digits` trains."""
    return Options(training="digits")


def smoke() -> Options:
    """A training of seconds, to see that everything works."""
    return Options(training="smoke")


def run(chosen):
    """Trains, draws, exports and classifies below the folder `chosen.output`; returns what the server answered."""
    home, fresh = files.local_path(chosen.output), chosen.fresh
    options = PRESETS[chosen.training]()
    console.rule("1. Train a small Vision Transformer on 1,797 handwritten digits")
    model = train(options.replace(output=str(home / "training"), fresh=fresh)).model
    source = data.open_source(options.data.name, data_dir=options.data.data_dir, split_seed=options.data.split_seed)
    preprocessing = data.model_preprocessing(model)
    digits = held_out(source)

    console.rule("2. See what it looks at")
    draw_attention(model, preprocessing, digits, home / "attention.png")
    console.print("learning curves:", home / "training" / "curves.png")
    console.print("attention maps: ", home / "attention.png")

    console.rule("3. Serve it")
    export = serve(model, source.labels, preprocessing, home / "export" / "1", fresh)
    answers = classify(export, digits, home / "images")
    console.print(table_of(digits, answers))
    console.print("classified by a new process that can import neither keras_vit nor Keras, from", export)
    for what, where in (
        ("model to go on with", home / "training" / "best.keras"),
        ("metrics and options", home / "training" / "result.json"),
        ("images classified", home / "images"),
        ("for TensorFlow Serving", export.parent),
    ):
        console.print(f"{what + ':':<24}{where}", markup=False)
    return answers


def held_out(source):
    """Returns {label: PNG bytes} of the first held-out image of each class."""
    found = {}
    for example in source.examples("test").as_numpy_iterator():
        found.setdefault(source.labels[example["label"]], example["image"])
        if len(found) == len(source.labels):
            break
    return dict(sorted(found.items()))


def draw_attention(model, preprocessing, digits, path):
    """Writes to `path` the picture of each digit and where the model's class token looks."""
    decoded = [preprocessing.decode(encoded) for encoded in digits.values()]
    images = preprocessing(decoded)
    maps = analysis.attention(model, images)
    predicted = np.argmax(model.predict(images, verbose=0), axis=1)
    labels = list(digits)
    titles = [f"a {true}, seen as {labels[i]}" for true, i in zip(labels, predicted, strict=True)]
    attention_picture(path, decoded, maps, titles)


def serve(model, labels, preprocessing, folder, fresh):
    """Exports `model` to `folder` unless an earlier run did; returns `folder`."""
    if fresh and (folder / "saved_model.pb").exists():
        shutil.rmtree(folder)
    if not folder.exists():
        with console.status("exporting a SavedModel"):
            keras_vit.export(model, folder, labels, preprocessing)
    return folder


def classify(folder, digits, images):
    """Writes the digits as PNG files below `images` and returns a new process' answers, one a file."""
    files.folder(images)
    paths = [images / f"digit-{label}.png" for label in digits]
    for path, encoded in zip(paths, digits.values(), strict=True):
        path.write_bytes(encoded)
    client = Path(__file__).with_name("classify_images.py")
    with console.status("a new process loads it and classifies held-out images"):
        done = subprocess.run(
            [sys.executable, client, folder, *paths, "--json"], capture_output=True, text=True, check=False
        )
    if done.returncode:
        raise RuntimeError(f"{client.name} failed:\n{done.stderr}")
    return [json.loads(line) for line in done.stdout.splitlines()]


def table_of(digits, answers):
    """Returns the table of what was asked and what was answered."""
    table = Table("image", "true label", "prediction", "probability", title="held-out images, as the server sees them")
    for true, answer in zip(digits, answers, strict=True):
        seen = answer["labels"][0]
        colour = "green" if seen == true else "red"
        name = Path(answer["image"]).name
        table.add_row(name, true, f"[{colour}]{seen}[/]", f"{answer['probabilities'][0]:.1%}")
    return table


main = functools.partial(cli.run, run, {"digits": digits, "smoke": smoke}, __doc__)

if __name__ == "__main__":
    main()
