"""Batch size and warm-up where none is given: fit any number of images, and stay when a run goes on."""

import json
import math
import types
from pathlib import Path

import keras
import pytest
from kit.runs import SMOKE
from kit.small_images import png

from keras_vit.tasks.presets.classify import PRESETS
from keras_vit.training import sizing
from keras_vit.training.devices import strategy
from keras_vit.training.runs.folder import RunError
from keras_vit.training.train import train

PLAIN = PRESETS["plain"]()
TINY = {"patch": 7, "width": 8, "depth": 1, "heads": 2, "mlp_dim": 8}


@pytest.mark.parametrize("devices", [1, 2, 3, 8])
@pytest.mark.parametrize("accumulation", [1, 2])
def test_batch_fits_any_number_of_images_and_devices(devices, accumulation):
    parts = types.SimpleNamespace(num_replicas_in_sync=devices)
    for images in [*range(devices * accumulation, 200), 999, 1_300, 50_000, 1_281_167]:
        found = sizing.batch_for(images, 256, devices * accumulation)
        strategy.check_batch(parts, found, images, accumulation)
        assert found <= 256 and (images < 128 or images // found >= 7)


@pytest.mark.parametrize(
    ("images", "expected"), [(1, 1), (5, 4), (24, 8), (54, 8), (255, 8), (600, 32), (2_000, 64), (4_096, 256)]
)
def test_batch_is_a_power_of_two_by_which_an_epoch_has_16_steps(images, expected):
    assert sizing.batch_for(images, 256) == expected


def test_no_batch_is_larger_than_memory_has_room_for():
    assert sizing.batch_for(10**6, 64) == 64 and sizing.batch_for(10**6, 100) == 64


@pytest.mark.parametrize(("epochs", "expected"), [(1, 0.1), (3, 0.3), (20, 2.0), (50, 5.0), (300, 5.0)])
def test_warm_up_is_a_tenth_and_at_most_5_epochs(epochs, expected):
    options = sizing.fill(PLAIN.replace(epochs=epochs), 100, 1, {})
    assert math.isclose(options.optim.warmup_epochs, expected)


def test_what_is_given_stays_and_nothing_is_told_of_it():
    given = PLAIN.replace(batch_size=256, warmup_epochs=7.0)
    assert sizing.fill(given, 10, 1, {"batch_size": 4}) == given and sizing.notice(given, given, 10) is None
    half = PLAIN.replace(warmup_epochs=0.0)
    told = sizing.notice(half, sizing.fill(half, 54, 1, {}), 54)
    assert told == "chosen for 54 training images and 90 epochs, unless given: batch_size 8"


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    root = tmp_path_factory.mktemp("photos")
    for number, label in enumerate(("ant", "bee")):
        (root / label).mkdir()
        for i in range(15):
            (root / label / f"{i}.png").write_bytes(png(20 + 100 * number + i))
    return root


@pytest.mark.parametrize(
    "preset", ["plain", *(pytest.param(each, marks=pytest.mark.slow) for each in ("finetune", "probe", "lora"))]
)
def test_presets_for_own_images_run_on_a_small_folder(photos, tmp_path, capsys, preset):
    shape = {"image_size": (7, 14), "model_options": TINY, "weights": None}
    options = PRESETS[preset]().replace(
        data=f"folder:{photos}", epochs=2, head_epochs=0.0, **shape, output=str(tmp_path / "run")
    )
    assert len(train(options).rows) == 2
    said = " ".join(capsys.readouterr().out.split())
    assert "epochs, unless given: batch_size 8, warmup_epochs 0.2" in said
    for name in ("options.json", "result.json"):
        told = json.loads((tmp_path / "run" / name).read_text())["options"]
        assert (told["batch_size"], told["warmup_epochs"]) == (8, 0.2)


class Stop(keras.callbacks.Callback):
    def on_epoch_begin(self, epoch, logs=None):
        if epoch == 1:
            raise InterruptedError


@pytest.fixture
def begun(photos, tmp_path):
    """The options of a run that was interrupted after its first epoch."""
    options = SMOKE.replace(
        data=f"folder:{photos}",
        image_size=(7, 14),
        model_options=TINY,
        epochs=3,
        batch_size=None,
        warmup_epochs=None,
        output=str(tmp_path / "run"),
    )
    with pytest.raises(InterruptedError):
        train(options, callbacks=[Stop()])
    return options


def options_of(run):
    return json.loads(Path(run.run.output, "options.json").read_text())["options"]


@pytest.mark.slow
def test_run_goes_on_with_what_it_chose_whether_that_is_given_or_not(begun):
    before = options_of(begun)
    given = begun.replace(batch_size=before["batch_size"], warmup_epochs=before["warmup_epochs"])
    with pytest.raises(RunError, match="batch_size is 8 there and 4 here"):
        train(begun.replace(batch_size=4))
    with pytest.raises(InterruptedError):
        train(given, callbacks=[Stop()])
    assert len(train(begun).rows) == 3 and options_of(begun) == before
    assert len(train(begun).rows) == 3  # done


@pytest.mark.slow
def test_run_that_chose_for_other_devices_keeps_its_batch(begun, monkeypatch):
    monkeypatch.setattr(sizing, "batch_for", lambda *_: 6)
    assert len(train(begun).rows) == 3 and options_of(begun)["batch_size"] == 8


@pytest.mark.slow
def test_run_of_a_given_batch_does_not_go_on_with_another_that_is_chosen(begun):
    with pytest.raises(InterruptedError):
        train(begun.replace(batch_size=12, fresh=True), callbacks=[Stop()])
    with pytest.raises(RunError, match="batch_size is 12 there and 8 here"):
        train(begun)
