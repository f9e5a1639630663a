"""The recipe measures the same images before and after training, writes what it found, and goes on where it stopped."""

import csv
import dataclasses
import json
from pathlib import Path

import keras
import numpy as np
import pytest
from PIL import Image

import keras_vit
from keras_vit import analysis, data
from keras_vit.recipes.measure_attention import PRESETS, measure
from keras_vit.studies.object_mass import measure as study

pytestmark = pytest.mark.slow
KINDS = ["raw attention_0", "raw attention_1", "dino", "rollout", "gradient", "gradcam"]


@pytest.fixture(scope="module")
def options(tmp_path_factory):
    root = tmp_path_factory.mktemp("measure")
    return dataclasses.replace(PRESETS["smoke"](), data_dir=str(root / "data"), output=str(root / "run"))


@pytest.fixture(scope="module")
def outcome(options):
    return measure(options)


@pytest.fixture(scope="module")
def held_out(options, outcome):
    return study.read(
        data.open_source(options.data, targets=("label", "mask"), data_dir=options.data_dir), 30, (28, 28, 1)
    )


def mean_share(maps, held_out):
    """The mean share on the object, pixel by pixel: each cell of the map is a square of 7 px."""
    maps = np.repeat(np.repeat(maps, 7, axis=-2), 7, axis=-1)
    masks = held_out.masks if maps.ndim == 3 else held_out.masks[:, None]
    return ((maps * masks).sum(axis=(-2, -1)) / maps.sum(axis=(-2, -1))).mean()


def test_every_kind_of_map_is_measured_for_every_seed_before_and_after(outcome):
    assert [(row["seed"], row["state"], row["map"]) for row in outcome["rows"]] == [
        (seed, state, kind) for seed in (0, 1) for state in ("untrained", "trained") for kind in KINDS
    ]
    for row in outcome["rows"]:
        assert 0 < row["mass"] < 1 and 0 < row["mass_elsewhere"] < 1


def test_trained_share_is_that_of_the_model_in_the_folder(options, outcome, held_out):
    model = keras.saving.load_model(Path(options.output, "seed-1", "best.keras"))
    expected = mean_share(analysis.attention(model, held_out.images, "dino"), held_out)
    (row,) = [row for row in outcome["rows"] if (row["seed"], row["state"], row["map"]) == (1, "trained", "dino")]
    np.testing.assert_allclose(row["mass"], expected, rtol=1e-5)
    likeliest = model.predict(held_out.images, verbose=0).argmax(axis=1)
    np.testing.assert_allclose(outcome["accuracy"]["trained"][1], np.mean(likeliest == held_out.labels))


def test_untrained_share_is_that_of_the_weights_the_training_began_with(options, outcome, held_out):
    model = keras.saving.load_model(Path(options.output, "seed-0", "best.keras"))
    keras.utils.set_random_seed(0)
    fresh = keras_vit.build(options.model, image_size=28, channels=1, classes=10, **options.model_options)
    assert not np.any(fresh.get_layer("head").kernel)
    model.set_weights(fresh.get_weights())
    expected = mean_share(analysis.attention(model, held_out.images, "rollout"), held_out)
    (row,) = [row for row in outcome["rows"] if (row["seed"], row["state"], row["map"]) == (0, "untrained", "rollout")]
    np.testing.assert_allclose(row["mass"], expected, rtol=1e-5)


def test_raw_attention_of_the_last_block_has_the_share_of_dino(outcome):
    last, dino = ([row["mass"] for row in outcome["rows"] if row["map"] == name] for name in (KINDS[1], "dino"))
    np.testing.assert_allclose(last, dino, rtol=1e-6)


def test_area_is_the_reference_and_the_summary_that_of_the_rows(outcome, held_out):
    np.testing.assert_allclose(outcome["area"], held_out.masks.mean())
    for kind in KINDS:
        for state in ("untrained", "trained"):
            values = [row["mass"] for row in outcome["rows"] if (row["map"], row["state"]) == (kind, state)]
            found = outcome["maps"][kind][state]
            assert found["seeds"] == values
            np.testing.assert_allclose([found["mean"], found["std"]], [np.mean(values), np.std(values, ddof=1)])
        before, after = (np.array(outcome["maps"][kind][state]["seeds"]) for state in ("untrained", "trained"))
        assert outcome["maps"][kind]["seeds_with_more_after_training"] == (after > before).sum()


def test_masks_lie_on_their_images(held_out):
    inside = [image[mask].mean() for image, mask in zip(held_out.images[..., 0], held_out.masks, strict=True)]
    outside = [image[~mask].mean() for image, mask in zip(held_out.images[..., 0], held_out.masks, strict=True)]
    elsewhere = np.roll(held_out.masks, 1, axis=0)
    wrong = [image[mask].mean() for image, mask in zip(held_out.images[..., 0], elsewhere, strict=True)]
    assert np.mean(np.subtract(inside, outside)) > 2 * np.mean(np.subtract(wrong, outside)) > 0


def test_files_hold_what_is_returned(options, outcome):
    folder = Path(options.output)
    assert json.loads((folder / "object_mass.json").read_text())["rows"] == outcome["rows"]
    with open(folder / "object_mass.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [float(row["mass"]) for row in rows] == [row["mass"] for row in outcome["rows"]]
    for name in ("object_mass.png", "object_attention.png"):
        pixels = np.asarray(Image.open(folder / name).convert("L"), "float32")
        assert min(pixels.shape) > 300 and pixels.std() > 10


def test_start_that_was_removed_is_missed(options, outcome):
    start = Path(options.output, "start-0.npz")
    kept = start.read_bytes()
    start.unlink()
    with pytest.raises(ValueError, match=r"start-0.npz, the weights .* was removed; start over with fresh"):
        measure(dataclasses.replace(options, seeds=(0,)))
    start.write_bytes(kept)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"seeds": ()}, "seeds are different numbers"),
        ({"seeds": (1, 1)}, r"not \(1, 1\)"),
        ({"images": 1}, "images is at least 2"),
        ({"data": "digits"}, "'digits' has no mask beside each image .it holds image, label.; 'digits_on_photos' has"),
        ({"augment": "twirl"}, "no augmentation 'twirl'"),
    ],
)
def test_what_can_not_be_measured_is_refused_before_training(options, change, sentence, tmp_path):
    with pytest.raises(ValueError, match=sentence):
        measure(dataclasses.replace(options, output=str(tmp_path / "run"), **change))
    assert not (tmp_path / "run").exists()


def test_second_run_trains_no_more_and_finds_and_says_the_same(options, outcome, capsys):
    best = Path(options.output, "seed-1", "best.keras")
    before = best.stat().st_mtime_ns
    again = measure(dataclasses.replace(options, seeds=(1,)))
    assert best.stat().st_mtime_ns == before
    assert again["rows"] == [row for row in outcome["rows"] if row["seed"] == 1]
    printed = " ".join(capsys.readouterr().out.split())
    untrained, trained = (again["maps"]["dino"][state]["mean"] for state in ("untrained", "trained"))
    assert f"dino: {untrained:.1%}".rstrip("%") in printed and f"{100 * trained:.1f} ± 0.0 % after" in printed
    assert f"more in {int(trained > untrained)} of 1 seeds" in printed
    assert f"The object covers {outcome['area']:.1%}" in printed
