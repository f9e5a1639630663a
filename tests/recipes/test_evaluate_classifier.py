"""A classifier measured again: on its own test images, on other data, and on what it can't be measured on."""

import csv
import json
import shutil

import keras
import numpy as np
import pytest
from kit.small_images import png

from keras_vit import bundle, data
from keras_vit.analysis import calibration
from keras_vit.analysis.probabilities import probabilities
from keras_vit.recipes import evaluate_classifier


@pytest.fixture
def evaluate(tmp_path, capsys):
    """Calls the command; returns what it wrote to evaluation.json."""

    def call(*arguments):
        evaluate_classifier.main(arguments=[*map(str, arguments), "--output", str(tmp_path / "out")])
        return json.loads((tmp_path / "out" / "evaluation.json").read_text())

    call.folder = tmp_path / "out"
    return call


def refused(capsys, *arguments):
    with pytest.raises(SystemExit) as stopped:
        evaluate_classifier.main(arguments=[str(each) for each in arguments])
    assert stopped.value.code == 2
    return capsys.readouterr().err


def truth(root, split="test"):
    """Returns the paths of a split's images and the numbers of their classes."""
    paths = sorted((root / split).glob("*/*.png"))
    return paths, np.array([("ant", "bee").index(path.parent.name) for path in paths])


def test_the_numbers_of_a_run_are_those_that_its_training_wrote(run, evaluate, recwarn):
    told = evaluate(run)
    trained = json.loads((run / "result.json").read_text())
    assert 0.5 < trained["test"]["accuracy"] < 1  # else it would tell little
    assert {name: told["numbers"][name] for name in trained["test"]} == trained["test"]
    assert (evaluate.folder / "confusion.csv").read_bytes() == (run / "confusion.csv").read_bytes()
    assert not [each for each in recwarn if "flatter" in str(each.message)]


def test_classes_and_calibration_are_those_of_the_predictions(run, evaluate):
    told = evaluate(run)
    model = keras.saving.load_model(run / "best.keras")
    paths, labels = truth(run.parent / "photos")
    shares = probabilities(model, data.read_images(paths, model))
    said = shares.argmax(1)
    assert told["numbers"]["accuracy"] == pytest.approx((said == labels).mean())
    assert told["calibration"]["error"] == pytest.approx(calibration(shares, labels).error, abs=1e-6)
    assert told["numbers"]["calibration_error"] == pytest.approx(told["calibration"]["error"], abs=1e-6)
    for number, each in enumerate(told["classes"]):
        assert each["images"] == 11 and each["predicted"] == (said == number).sum()
        assert each["recall"] == pytest.approx((said[labels == number] == number).mean())
    rows = list(csv.DictReader((evaluate.folder / "classes.csv").open()))
    assert [row["label"] for row in rows] == ["ant", "bee"]
    assert (evaluate.folder / "confusion.png").is_file() and (evaluate.folder / "calibration.png").is_file()


def test_images_that_the_model_has_learned_from_are_told(run, evaluate):
    with pytest.warns(UserWarning, match="has learned from 40 of the 40 train images"):
        told = evaluate(run, "--split", "train")
    assert told["numbers"]["images"] == 40
    with pytest.warns(UserWarning, match="has learned from 50 of the 72 test images"):
        assert evaluate(run, "--split", "all")["numbers"]["images"] == 72


def test_data_with_some_of_the_classes_is_compared_by_name_and_with_others_refused(run, evaluate, tmp_path, capsys):
    model = keras.saving.load_model(run / "best.keras")
    wider = keras.models.clone_model(model)
    dense = wider.layers[-1]
    head = keras.layers.Dense(4, name="head", dtype="float32")(dense.input)
    wider = keras.Model(wider.input, head, name="wider")
    for layer, theirs in zip(wider.layers, model.layers, strict=True):
        if layer.name != "head":
            layer.set_weights(theirs.get_weights())
    kernel, bias = model.layers[-1].get_weights()
    wide_kernel, wide_bias = np.zeros((len(kernel), 4), "float32"), np.full(4, -99, "float32")
    for ours, theirs in ((3, 0), (1, 1)):
        wide_kernel[:, ours], wide_bias[ours] = kernel[:, theirs], bias[theirs]
    wider.layers[-1].set_weights([wide_kernel, wide_bias])
    bundle.update(wider, labels=("zebra", "bee", "wasp", "ant"))
    wider.save(tmp_path / "wider.keras")
    own = evaluate(run)
    told = evaluate(tmp_path / "wider.keras", "--data", f"folder:{run.parent / 'photos'}")
    assert told["numbers"]["accuracy"] == pytest.approx(own["numbers"]["accuracy"])
    assert told["numbers"]["balanced_accuracy"] == pytest.approx(own["numbers"]["balanced_accuracy"])
    assert {each["label"]: each["recall"] for each in told["classes"]} == pytest.approx(
        {each["label"]: each["recall"] for each in own["classes"]}
    )
    assert told["notes"] == ["2 of the model's 4 classes, such as 'zebra', are not in the data"]
    other = tmp_path / "other"
    shutil.copytree(run.parent / "photos", other)
    for split in ("train", "val", "test"):
        (other / split / "cow").mkdir()
        (other / split / "cow" / "1.png").write_bytes(png(3))
    said = refused(capsys, tmp_path / "wider.keras", "--data", f"folder:{other}")
    assert "has classes that are not known: 'cow'; known are 'zebra', 'bee', 'wasp', 'ant'" in said


def test_the_loss_of_a_model_that_is_no_runs_is_the_plain_cross_entropy(run, evaluate, tmp_path):
    shutil.copy(run / "best.keras", tmp_path / "alone.keras")
    told = evaluate(tmp_path / "alone.keras", "--data", f"folder:{run.parent / 'photos'}")
    model = keras.saving.load_model(tmp_path / "alone.keras")
    paths, labels = truth(run.parent / "photos")
    shares = probabilities(model, data.read_images(paths, model))
    assert told["numbers"]["loss"] == pytest.approx(-np.log(shares[np.arange(22), labels]).mean(), rel=1e-4)


def test_sigmoids_are_measured_without_calibration(run, evaluate, tmp_path):
    model = keras.saving.load_model(run / "best.keras")
    bundle.update(model, activation="sigmoid")
    model.save(tmp_path / "sigmoid.keras")
    evaluate(run)
    told = evaluate(tmp_path / "sigmoid.keras", "--data", f"folder:{run.parent / 'photos'}")
    assert "calibration" not in told and "calibration_error" not in told["numbers"]
    assert not (evaluate.folder / "calibration.png").exists()  # that of before is another model's
    paths, labels = truth(run.parent / "photos")
    shares = probabilities(model, data.read_images(paths, model))
    true = np.eye(2)[labels]
    expected = -(true * np.log(shares) + (1 - true) * np.log(1 - shares)).mean()
    assert told["numbers"]["loss"] == pytest.approx(expected, rel=1e-4)


def test_what_nothing_can_be_measured_of_is_said(run, capsys):
    assert "say on what, as in --data folder:photos" in refused(capsys, run.parent / "model.keras")
    assert "holds a training; name another folder" in refused(capsys, run, "--output", run)
    said = refused(capsys, run / "none.keras", "--data", f"folder:{run.parent / 'photos'}")
    assert "is no folder of a finished run, and no .keras file" in said
