"""The comparison trains, measures and writes a report that a browser shows; its numbers are those of the trainings."""

import dataclasses
import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from kit import browser

from keras_vit import models
from keras_vit.recipes import compare_networks as recipe
from keras_vit.studies.networks import compare, trainings
from keras_vit.studies.networks.networks import networks

pytestmark = pytest.mark.slow
# one of each kind: a row of pixels, neighbourhoods, attention
SMOKE = dataclasses.replace(recipe.PRESETS["smoke"](), networks=("MLP", "ResNet", "ViT"))


@pytest.fixture(scope="module")
def compared(tmp_path_factory):
    """Runs the smoke preset with SMOKE's networks; returns (its options, what it printed)."""
    output = tmp_path_factory.mktemp("compare") / "runs"
    command = [sys.executable, "-m", "keras_vit.recipes.compare_networks", "--preset", "smoke", "--output", output]
    command += ["--networks", *SMOKE.networks]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return dataclasses.replace(SMOKE, output=str(output)), done.stdout


def networks_of(options, channels):
    sizes = {"image_size": options.image_size, "width": options.width, "depth": options.depth}
    return networks(options.networks, channels, 10, **sizes)


def _page(options):
    return (Path(options.output) / "report.html").read_text(encoding="utf-8").replace("\u00a0", " ")


def _measured(options):
    return json.loads((Path(options.output) / "measured.json").read_text(encoding="utf-8"))


def test_report_has_every_step_with_pictures_numbers_and_a_finding(compared):
    page = _page(compared[0])
    sections = re.findall(r"<section.*?</section>", page, re.DOTALL)
    assert len(sections) == len(compare.STEPS)
    for section in sections:
        assert section.count("<img") >= 1 and section.count("<dd>") >= 1
        finding = re.search(r'<p class="finding">(.*?)</p>', section, re.DOTALL).group(1)
        assert finding.endswith(".") and re.search(r"\d", finding) and "nan" not in finding
    markdown = (Path(compared[0].output) / "report.md").read_text(encoding="utf-8")
    links = re.findall(r"\]\((.*?)\)", markdown)
    assert len(links) >= len(compare.STEPS) and all((Path(compared[0].output) / each).exists() for each in links)
    assert str(Path(compared[0].output) / "report.html") in compared[1].replace("\n", "")


@browser.needed
@pytest.mark.parametrize("width", [1200, 500])
def test_browser_shows_all_pictures_without_an_error(compared, tmp_path, width):
    found = browser.open_page(Path(compared[0].output) / "report.html", tmp_path, width)
    assert found["console"] == []
    pictures = list((Path(compared[0].output) / "pictures").glob("*.png"))
    assert len(found["images"]) == len(pictures) >= len(compare.STEPS)
    assert all(each["width"] > 200 and each["alt"] for each in found["images"])
    assert found["wide"] <= found["window"]


def test_accuracies_are_those_of_the_trainings(compared):
    options, _ = compared
    measured, page = _measured(options), _page(options)
    for name in options.networks:
        found = json.loads((Path(options.output) / f"training/{name}-100-seed-0/result.json").read_text())
        accuracy = found["test"]["accuracy"]
        assert measured["Accuracy"][name] == [accuracy]
        assert f"{name} {100 * accuracy:.1f} %" in page
        sizes = [images for images, _ in measured["The size of the data set"][name]]
        assert sizes[1] == 1293 and abs(sizes[0] - 1293 / 2) <= 5  # of 10 classes, each rounded


def test_every_network_takes_the_same_number_of_steps(compared):
    options, _ = compared
    for name in options.networks:
        steps = []
        for share in (50, 100):
            folder = Path(options.output) / f"training/{name}-{share}-seed-0"
            asked = json.loads((folder / "options.json").read_text())["options"]
            images = json.loads((folder / "result.json").read_text())["images"]["train"]
            steps.append(asked["epochs"] * (images // asked["batch_size"]))
        assert np.ptp(steps) <= 0.1 * max(steps), (name, steps)


def test_undamaged_images_give_the_accuracy_of_a_plain_evaluation(compared):
    import keras

    from keras_vit import data

    options, _ = compared
    model = keras.saving.load_model(Path(options.output) / "training/ResNet-100-seed-0/best.keras")
    source = data.open_source("digits")
    images, labels = compare.sample(source, "test", data.model_preprocessing(model), options.images)
    assert len(set(labels)) == 10 and images.shape == (options.images, 32, 32, 1)
    right = float((np.argmax(model.predict(images, verbose=0), axis=1) == labels).mean())
    level, (measured,) = _measured(options)["Hidden patches"]["ResNet"][0]
    assert level == 0 and measured == pytest.approx(right)


def test_second_run_trains_nothing_again(compared):
    options, _ = compared
    folders = sorted((Path(options.output) / "training").glob("*/best.keras"))
    before = [each.stat().st_mtime_ns for each in folders]
    assert len(folders) == 2 * len(options.networks)
    chosen = networks_of(options, 1)
    from keras_vit import data
    from keras_vit.recipes.train_classifier import train

    trainings.train_missing(train, options, chosen)
    found = compare.candidate(options, "MLP", chosen["MLP"], data.open_source("digits"))
    assert [run.share for run in found.runs] == list(options.shares) and found.full == [found.runs[-1]]
    assert [each.stat().st_mtime_ns for each in folders] == before


@pytest.mark.parametrize("preset", ["fashion", "cifar10"])
def test_networks_have_about_as_many_parameters(preset):
    options, channels = recipe.PRESETS[preset](), {"fashion": 1, "cifar10": 3}[preset]
    shape = {"image_size": options.image_size, "channels": channels, "classes": 10}
    sizes = {
        name: models.count_parameters(network.model, **network.options, **shape)
        for name, network in networks_of(options, channels).items()
    }
    assert max(sizes.values()) <= 1.6 * min(sizes.values()), sizes


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"shares": (1.0, 0.3)}, r"shares rise.*\(1.0, 0.3\)"),
        ({"shares": ()}, "shares rise"),
        ({"seeds": 0}, "at least 1"),
        ({"processes": 0}, "processes.*at least 1"),
        ({"networks": ("ViT", "GPT")}, "no network 'GPT'; it is one of MLP, LeNet"),
        ({"image_size": 28}, "multiple of 32.*28"),
    ],
)
def test_impossible_options_are_quoted_before_any_training(tmp_path, changes, message):
    with pytest.raises(ValueError, match=message):
        recipe.compare(dataclasses.replace(SMOKE, output=str(tmp_path / "runs"), **changes))
    assert not (tmp_path / "runs").exists()
