"""The recipe: what a run leaves behind, goes on after, refuses and survives."""

import csv
import random
import signal
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
from kit.runs import CHANCE, SMOKE, assert_ended_alike, assert_same, best_of, result_of, state_of
from PIL import Image

import keras_vit
from keras_vit import cli, data, files
from keras_vit.tasks.presets.classify import PRESETS
from keras_vit.training.errors import DivergedError
from keras_vit.training.train import train


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    """Four epochs of the smoke preset of 20 steps each, everything it writes inside a temporary folder."""
    root = tmp_path_factory.mktemp("classifier")
    folders = {"data_dir": str(root / "data"), "output": str(root / "run")}
    return SMOKE.replace(model_options=CHANCE, epochs=4, **folders)


@pytest.fixture(scope="module")
def undisturbed(base):
    """The model and the history of a whole run."""
    return train(base)


def process(options, before=""):
    """Starts the recipe in a process of its own, after the lines `before`."""
    lines = [
        before,
        "from keras_vit.recipes.train_classifier import PRESETS, train",
        f"train(PRESETS['smoke']().replace(**{options.flat()!r}))",
    ]
    command = [sys.executable, "-c", "\n".join(lines)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def test_a_run_leaves_its_files(base, undisturbed):
    folder = Path(base.run.output)
    names = {"options.json", "state", "best.keras", "history.csv", "curves.png", "tensorboard", "result.json"}
    names |= {"confusion.csv", "confusion.png", "images.json"}
    assert {each.name for each in folder.iterdir()} == names
    assert {each.name for each in folder.glob("state/best-*")} == {
        f"best-{result_of(folder)['best']['epoch']:04d}.keras"
    }
    assert list(folder.glob("tensorboard/train/events*")) and list(folder.glob("tensorboard/validation/events*"))
    assert len(list(folder.glob("tensorboard/input/events*"))) == 1


def test_history_has_a_row_an_epoch_in_csv_and_in_keras(base, undisturbed):
    history = undisturbed.history
    with open(Path(base.run.output, "history.csv"), newline="") as file:
        rows = list(csv.DictReader(file))
    assert [int(row["epoch"]) for row in rows] == [1, 2, 3, 4]
    assert history.epoch == [0, 1, 2, 3]
    for name in ("loss", "accuracy", "val_loss", "val_accuracy", "learning_rate"):
        assert [float(row[name]) for row in rows] == history.history[name]
    assert history.history["learning_rate"][-1] == 0


def test_result_tells_the_measured_accuracy_of_the_best_model(base, undisturbed):
    told = result_of(base.run.output)
    source = data.open_source("digits", data_dir=base.data.data_dir)
    best = keras.saving.load_model(Path(base.run.output, "best.keras"))
    preprocessing = data.Preprocessing(**told["preprocessing"])
    hits = [
        best(each["image"]).numpy().argmax(-1) == each["label"].numpy()
        for each in data.evaluation_batches(source, "test", data.decoder(source.targets, preprocessing), 97)
    ]
    np.testing.assert_allclose(told["test"]["accuracy"], np.mean(np.concatenate(hits)), rtol=1e-6)
    assert told["test"]["images"] == source.sizes["test"] == sum(map(len, hits))
    assert told["best"]["val_accuracy"] == max(undisturbed.history.history["val_accuracy"])
    assert told["labels"] == [str(digit) for digit in range(10)]
    assert told["skipped"] == [] and told["devices"] == ["CPU:0"] and told["seed"] == 0
    assert told["parameters"] == best.count_params()
    assert told["started"] <= told["ended"]


def test_confusion_matrix_counts_every_test_image(base, undisturbed):
    told = result_of(base.run.output)
    matrix = np.loadtxt(Path(base.run.output, "confusion.csv"), int, delimiter=",", skiprows=1)[:, 1:]
    source = data.open_source("digits", data_dir=base.data.data_dir)
    true = np.array([int(each["label"]) for each in source.examples("test")])
    np.testing.assert_array_equal(matrix.sum(1), np.bincount(true, minlength=10))
    np.testing.assert_allclose(told["test"]["accuracy"], np.trace(matrix) / matrix.sum(), rtol=1e-6)
    recalls = np.diag(matrix) / matrix.sum(1)
    np.testing.assert_allclose(told["test"]["balanced_accuracy"], recalls.mean(), rtol=1e-6)
    first = told["confusion"]["most_confused"][0]
    assert first["images"] == matrix[int(first["true"]), int(first["predicted"])]
    assert first["images"] == (matrix - np.diag(np.diag(matrix))).max()


def test_a_run_that_is_done_gives_its_best_model_without_training(base, undisturbed, capsys):
    before = {
        each: each.stat().st_mtime_ns for each in Path(base.run.output).rglob("*.*") if each.name != "options.json"
    }
    result = train(base, callbacks=[keras.callbacks.LambdaCallback(on_train_begin=lambda _: 1 / 0)])
    assert "is done" in capsys.readouterr().out
    assert result.history.history == undisturbed.history.history
    assert_same(result.model.get_weights(), undisturbed.model.get_weights())
    assert_same(result.model.get_weights(), best_of(base.run.output))
    assert before == {each: each.stat().st_mtime_ns for each in before}


def kill_at_replace(number):
    """Lines that kill the process, as no handler can prevent, just before it renames its file `number`."""
    return f"""
import os, signal
def replace(a, b, real=os.replace, left=iter(range({number - 1}, -1, -1))):
    if next(left) == 0:
        os.kill(os.getpid(), signal.SIGKILL)
    real(a, b)
from keras_vit import files
files.os = type("Os", (), vars(os) | dict(replace=replace))
"""


@pytest.mark.slow
def test_a_run_killed_again_and_again_ends_as_if_it_never_was(base, undisturbed, tmp_path):
    options = base.replace(save_every=7, output=str(tmp_path / "run"))
    # holder, options, images, two states and what was before the second, the best model, what was before its state
    moments = [9, random.randint(2, 12)]  # 9: the best model is there, the state that names it isn't
    for moment in moments:
        killed = process(options, kill_at_replace(moment))
        output = killed.communicate(timeout=200)[0]
        assert killed.returncode == -signal.SIGKILL, output
    last = process(options)
    output = last.communicate(timeout=200)[0]
    said = f"killed at {moments}: {output}"
    assert last.returncode == 0, said
    assert_ended_alike(options.run.output, base.run.output, said)


TWO_DEVICES = """
import tensorflow as tf
half = tf.config.LogicalDeviceConfiguration()
tf.config.set_logical_device_configuration(tf.config.list_physical_devices("CPU")[0], [half, half])
"""


@pytest.mark.slow
def test_two_devices_end_where_one_does(base, tmp_path):
    options = {**SMOKE.model.options, "dropout": 0.0}  # each device drops on its own
    one = base.replace(model_options=options, epochs=1, warmup_epochs=0.3, output=str(tmp_path / "one"))
    two = one.replace(output=str(tmp_path / "two"))
    running = process(two, TWO_DEVICES)
    train(one)
    output = running.communicate(timeout=200)[0]
    assert running.returncode == 0, output
    assert result_of(two.run.output)["devices"] == ["CPU:0", "CPU:1"]
    for key, value in state_of(two.run.output).items():
        np.testing.assert_allclose(value, state_of(one.run.output)[key], atol=1e-4, err_msg=key)
    assert abs(result_of(two.run.output)["test"]["loss"] - result_of(one.run.output)["test"]["loss"]) < 1e-4


def test_a_diverging_run_stops_at_once_and_saves_nothing(base, tmp_path):
    options = base.replace(learning_rate=1e30, output=str(tmp_path / "run"))
    with pytest.raises(DivergedError, match=r"epoch 1, step \d+, at learning rate .* nothing was saved before"):
        train(options)
    assert not list(tmp_path.rglob("*.npz")) and not list(tmp_path.rglob("*.keras"))


def test_weights_that_are_no_numbers_never_replace_a_good_state(base, tmp_path):
    options = base.replace(epochs=2, precision="bfloat16", output=str(tmp_path / "run"))

    class Spoil(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            self.epoch = epoch

        def on_train_batch_end(self, batch, logs=None):
            if self.epoch == 1:  # a slot that no loss shows before the next step
                self.model.optimizer.variables[-2].assign(np.full(10, np.nan))  # the last is no slot
                self.epoch = None

    with pytest.raises(DivergedError, match="epoch 2.*or precision .--precision. float32.*last good state lies in"):
        train(options, callbacks=[Spoil()])
    assert all(np.isfinite(value).all() for value in state_of(options.run.output).values())
    assert all(np.isfinite(value).all() for value in best_of(options.run.output))
    assert len(Path(options.run.output, "history.csv").read_text().splitlines()) == 2
    assert keras.config.dtype_policy().name == "float32"


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"model": "vit-ti61"}, "no model 'vit-ti61' .did you mean 'vit-ti16'"),
        ({"model_options": {"widht": 16}}, "no option 'widht' .did you mean 'width'"),
        ({"model_options": {**CHANCE, "classes": 7}}, "classes=7 does not match digits, which has 10 classes"),
        ({"image_size": 3}, "3"),
        ({"data": "digitz"}, "digitz"),
        ({"augment": "mirror"}, "no augmentation 'mirror'"),
        ({"batch_size": 2000}, "batch 2000 does not fit the 1293 training images"),
        ({"warmup_epochs": 4}, "4 warmup_epochs do not fit into 4 epochs"),
        ({"precision": "float8"}, "no precision 'float8' .*it is one of float32, bfloat16"),
        ({"learning_rate": -1.0}, "learning_rate is above 0"),
        ({"profile": "5,3"}, "profile='5,3' is neither"),
    ],
)
def test_what_cannot_be_met_is_refused_before_anything_is_written(base, tmp_path, changes, sentence):
    with pytest.raises(ValueError, match=sentence):
        train(base.replace(output=str(tmp_path / "run"), **changes))
    assert not (tmp_path / "run").exists()


def photos(folder, corrupt):
    """A folder of 60 small grey images in 2 classes; the first `corrupt` of one class can't be decoded."""
    for label, grey in (("dark", 40), ("light", 200)):
        (folder / label).mkdir(parents=True)
        for i in range(30):
            Image.new("L", (11, 13), grey + i).save(folder / label / f"{i:02d}.png")
    for i in range(corrupt):
        (folder / "dark" / f"{i:02d}.png").write_bytes(b"no picture")
    return f"folder:{folder}"


@pytest.mark.filterwarnings("ignore:skipped")
def test_a_corrupt_image_is_skipped_and_told_and_many_stop_the_run(base, tmp_path):
    small = SMOKE.replace(image_size=12, batch_size=8, epochs=1, warmup_epochs=0.0)
    one = small.replace(data=photos(tmp_path / "a", 1), output=str(tmp_path / "one"))
    train(one)
    assert [Path(each).name for each in result_of(one.run.output)["skipped"]] == ["00.png"]
    assert result_of(one.run.output)["labels"] == ["dark", "light"]
    many = small.replace(data=photos(tmp_path / "b", 20), output=str(tmp_path / "many"))
    with pytest.raises(data.DataError, match=r"can't be decoded(.|\n)*\.png"):
        train(many)


class Leave(keras.callbacks.Callback):
    def on_epoch_begin(self, epoch, logs=None):
        if epoch == 1:
            raise KeyboardInterrupt


def test_a_run_goes_on_with_its_own_images_alone(tmp_path):
    options = SMOKE.replace(image_size=12, batch_size=8, data=photos(tmp_path / "a", 0), output=str(tmp_path / "run"))
    with pytest.raises(KeyboardInterrupt):
        train(options, [Leave()])
    before = {each: each.read_bytes() for each in (tmp_path / "run").rglob("*") if each.is_file()}
    (tmp_path / "a" / "light").rename(tmp_path / "a" / "bright")
    with pytest.raises(
        ValueError, match="begun with other images .*: of the labels 'light' of 2 went and 'bright' came"
    ):
        train(options)
    (tmp_path / "a" / "bright").rename(tmp_path / "a" / "light")
    learned = files.read_json(tmp_path / "run" / "images.json")["ids"]["train"][0]
    (tmp_path / "a" / learned).rename(tmp_path / "aside.png")
    with pytest.raises(ValueError, match=f"begun with other images of .*'{learned}'.* went from train"):
        train(options)
    (tmp_path / "aside.png").rename(tmp_path / "a" / learned)
    assert all(each.read_bytes() == data for each, data in before.items() if each.name != "options.json")
    assert len(train(options).rows) == 2


def test_weights_that_do_not_fit_are_refused_before_anything_is_written(base, tmp_path):
    wider = keras_vit.build(base.model.name, image_size=base.data.image_size, channels=1, **CHANCE | {"mlp_dim": 7})
    wider.save_weights(tmp_path / "wider.weights.h5")
    options = base.replace(weights=str(tmp_path / "wider.weights.h5"), output=str(tmp_path / "run"))
    with pytest.raises(ValueError, match="mlp/fc1"):
        train(options)
    with pytest.raises(FileNotFoundError, match="nowhere"):
        train(options.replace(weights="nowhere.safetensors"))
    assert not (tmp_path / "run").exists()


def test_a_folder_with_another_run_is_refused_and_left_alone(base, undisturbed):
    before = {each: each.read_bytes() for each in Path(base.run.output).rglob("*") if each.is_file()}
    with pytest.raises(ValueError, match=r"seed is 0 there and 5 here"):
        train(base.replace(seed=5))
    with pytest.raises(ValueError, match="no augmentation"):
        train(base.replace(augment="mirror", fresh=True))
    assert before == {each: each.read_bytes() for each in before}


def test_command_line_answers_bad_input_with_a_sentence_and_status_2(monkeypatch, capsys, tmp_path):
    line = ["train_classifier", "--preset", "smoke", "--model", "vitt-ti16", "--output", str(tmp_path / "run")]
    monkeypatch.setattr(sys, "argv", line)
    with pytest.raises(SystemExit) as stopped:
        cli.run(train, PRESETS, "Trains.")
    assert stopped.value.code == 2
    assert capsys.readouterr().err.startswith("error: no family 'vitt' (did you mean 'vit'?)")
