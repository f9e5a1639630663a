"""The table of images that a training prints before it begins, and what it says of uneven classes in the end."""

import io
import json

import numpy as np
import pytest
import rich
from kit.small_images import png
from sklearn.metrics import balanced_accuracy_score

from keras_vit import data, train
from keras_vit.tasks.classify import Classify
from keras_vit.tasks.counts import absent, counts_table
from keras_vit.tasks.presets.classify import PRESETS

TINY = {"patch": 5, "width": 8, "depth": 1, "heads": 2, "mlp_dim": 8}


def printed(what):
    memory = io.StringIO()
    rich.console.Console(file=memory, width=100).print(what)
    return memory.getvalue()


def cells(line):
    return [each.strip() for each in line.strip("│┃ \n").replace("┃", "│").split("│")]


def test_few_classes_have_a_row_each():
    counts = {"train": np.array([80, 2]), "validation": np.array([11, 1]), "test": np.array([1300, 0])}
    sizes = {split: int(images.sum()) for split, images in counts.items()}
    shown = [cells(line) for line in printed(counts_table(("[red]cat", "dog"), counts, sizes)).splitlines()]
    assert ["images", "train", "validation", "test"] in shown
    assert ["[red]cat", "80", "11", "1,300"] in shown and ["dog", "2", "1", "0"] in shown
    assert ["all", "82", "12", "1,300"] in shown


def test_many_classes_are_summed_up():
    counts = {"train": np.arange(1, 22), "test": np.array([0, 0, *range(1, 20)])}
    sizes = {split: int(images.sum()) for split, images in counts.items()}
    shown = [cells(line) for line in printed(counts_table([f"c{i}" for i in range(21)], counts, sizes)).splitlines()]
    for row in (
        ["smallest class", "1", "0"],
        ["median class", str(np.median(counts["train"]).astype(int)), str(np.median(counts["test"]).astype(int))],
        ["largest class", "21", "19"],
        ["classes with none", "0", "2"],
        ["all", "231", "190"],
    ):
        assert row in shown, row
    assert not any(row[0] == "c3" for row in shown)


def test_sizes_alone_are_told_where_classes_were_not_counted():
    shown = printed(counts_table(("a", "b"), None, {"train": 1281167, "test": 50000}))
    assert "1,281,167" in shown and "50,000" in shown


def test_classes_without_an_image_are_named_by_split():
    counts = {"train": np.ones(12, int), "validation": np.array([1, 0] + [1] * 10), "test": np.zeros(12, int)}
    assert absent([f"c{i}" for i in range(12)], counts) == [
        "validation has no image of 'c1'",
        "test has no image of 'c0', 'c1', 'c2', 'c3', 'c4', 'c5', 'c6', 'c7' and 4 more",
    ]


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    """Images of which a bright class has many and dark ones have few."""
    root = tmp_path_factory.mktemp("photos")
    for label, count, value in (("ant", 2, 10), ("bee", 4, 90), ("cat", 100, 120)):
        (root / label).mkdir()
        for i in range(count):
            (root / label / f"{i}.png").write_bytes(png(value + i))
    return root


@pytest.fixture(scope="module")
def options(photos, tmp_path_factory):
    return PRESETS["plain"]().replace(
        data=f"folder:{photos}",
        model_options=TINY,
        image_size=10,
        epochs=3,
        warmup_epochs=0.5,
        batch_size=16,
        output=str(tmp_path_factory.mktemp("run") / "run"),
    )


@pytest.mark.filterwarnings("ignore:y_pred contains classes not in y_true")
def test_training_of_uneven_classes_tells_counts_and_balanced_accuracy(options, capsys):
    result = train(options)
    said = capsys.readouterr().out
    source = options.task.open(options)
    counts = data.class_counts(source)
    shown = [cells(line) for line in said.splitlines()]
    for number, label in enumerate(("ant", "bee", "cat")):
        assert [label, *(str(images[number]) for images in counts.values())] in shown
    assert "validation has no image of 'ant'" in said
    told = json.loads(result.folder.result.read_text())
    for split, expected in (
        ("validation", result.best["val_balanced_accuracy"]),
        ("test", told["test"]["balanced_accuracy"]),
    ):
        decode = data.decoder(source.targets, data.model_preprocessing(result.model))
        batches = list(data.evaluation_batches(source, split, decode, 16))
        true = np.concatenate([batch["label"].numpy() for batch in batches])
        predicted = np.concatenate([result.model(batch["image"]).numpy().argmax(-1) for batch in batches])
        np.testing.assert_allclose(expected, balanced_accuracy_score(true, predicted), rtol=1e-6)
        assert f"{split} balanced accuracy" in said and f"{expected:.2%}" in said


def test_even_classes_are_measured_by_accuracy_alone(tmp_path):
    for label in ("ant", "bee"):
        (tmp_path / label).mkdir()
        for i in range(30):
            (tmp_path / label / f"{i}.png").write_bytes(png(i))
    source = data.open_source(f"folder:{tmp_path}")
    assert Classify().shown(source) == () and "balanced_accuracy" not in Classify().metrics(source, "validation")
    assert "balanced_accuracy" in Classify().metrics(source, "test")
