"""The tree of `keras-vit`: what its commands print, and what it answers where it can't."""

import configparser
import importlib
import json
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

import keras_vit
from keras_vit import __main__, bundle, data
from keras_vit.testing import small


@pytest.fixture(autouse=True)
def wide(monkeypatch):
    monkeypatch.setenv("COLUMNS", "160")


def refused(arguments, capsys):
    """Returns what the command line says of `arguments`, without "error: "."""
    with pytest.raises(SystemExit) as stopped:
        __main__.main([str(each) for each in arguments])
    assert stopped.value.code == 2
    said = capsys.readouterr().err
    assert said.startswith("error: ") and said.count("\n") == 1, said
    return said.removeprefix("error: ")


def test_list_prints_a_row_for_each_match(capsys):
    __main__.main(["list", "vit-l16*"])
    printed = capsys.readouterr().out
    for fact in ("vit-l16\t", "304326632", "61.6", "224×224", "augreg_in21k_ft_in1k\t85.9", "vit-l16-384"):
        assert fact in printed
    assert "vit-b16" not in printed


def test_info_prints_options_and_checkpoints(capsys):
    __main__.main(["info", "vit-b16"])
    printed = capsys.readouterr().out
    for fact in ("86,567,656 parameters, 17.6 GMACs at 224×224", "drop_path", "dino", "apache-2.0", "84.5 %"):
        assert fact in printed


def test_info_in_a_new_process_of_a_model_without_checkpoints_says_so():
    command = [sys.executable, "-m", "keras_vit", "info", "lenet-5"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert "no published checkpoint is known" in done.stdout and done.stderr == ""


@pytest.mark.parametrize("arguments", [[], ["--help"], ["-h"]])
def test_the_tree_is_shown_with_a_line_for_each_command(arguments, capsys):
    __main__.main(arguments)
    shown = [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()]
    for command, (_, about) in __main__.COMMANDS.items():
        assert f"{command} {about}" in shown


def test_a_branch_of_the_tree_is_shown_alone(capsys):
    __main__.main(["tune", "--help"])
    shown = capsys.readouterr().out
    assert "tune classify" in shown and "train classify" not in shown


@pytest.mark.parametrize("option", ["--version", "-V"])
def test_versions_are_those_of_what_runs(option, capsys):
    __main__.main([option])
    said = capsys.readouterr().out
    assert said.startswith(f"keras_vit {keras_vit.__version__} (keras {keras.__version__}, tensorflow")
    assert tf.__version__ in said and said.count("\n") == 1


def test_the_tree_the_list_of_all_models_and_unknown_names_load_no_keras():
    code = """
import contextlib, sys
from keras_vit.__main__ import main
main([])
for line in ("--version", "list --help", "info --help", "list", "list vit --sort top1"):
    with contextlib.suppress(SystemExit):
        main(line.split())
for line in ("trian", "list viit", "info vitt-b16"):
    with contextlib.suppress(SystemExit):
        main(line.split())
assert not {"keras", "tensorflow"} & sys.modules.keys()
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("error: ") == 3 and "usage: keras-vit info [-h] NAME" in done.stdout


def test_every_command_is_a_recipe_that_the_console_script_leads_to():
    setup = configparser.ConfigParser()
    setup.read(Path(__file__).parents[1] / "setup.cfg")
    assert setup["options.entry_points"]["console_scripts"].split() == ["keras-vit", "=", "keras_vit.__main__:main"]
    for module, _ in __main__.COMMANDS.values():
        assert callable(importlib.import_module(f"keras_vit.recipes.{module}").main)


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("trian", "no command 'trian' (did you mean 'train'?); it is one of list, info, train classify,"),
        ("trian classify --preset smoke", "no command 'trian' (did you mean 'train'?)"),
        ("train clasify", "no command 'train clasify' (did you mean 'classify'?); it is one of train classify"),
        ("train --preset smoke", "no command 'train'; it is one of train classify"),
        ("--seed 3", "no command '--seed'; it is one of list,"),
        ("info", "Missing from keras-vit info: NAME"),
        ("info vit-b61", "did you mean 'vit-b16'"),
        ("list viit-*", "no model matches 'viit-*' (did you mean 'vit'?); the families"),
        ("train classify --epoch 3", "no option '--epoch' (did you mean '--epochs'?)"),
        ("train classify --epochs many", "many"),
        ("predict runs/none seven.png --tpo 3", "no option '--tpo' (did you mean '--top'?)"),
        ("predict runs/none seven.png --top 0", "top is at least 1, not 0"),
        ("predict runs/none seven.png --format json", "invalid choice 'json' for argument '--format'"),
        (
            "predict runs/none seven.png --output a.json",
            "how 'a.json' is to be written; end it in .txt, .csv",
        ),
        ("predict runs/none seven.png --output /", "output '/' is a folder; name a file in it"),
        ("predict runs/none", "no images were given; name some files, as in keras-vit predict"),
        ("attention --images a.png --output gs://b/a.png", "'gs://b/a.png' is no path of this machine"),
        ("compare --preset smoke --output gs://b/a", "'gs://b/a' is no path of this machine"),
        ("predict runs/none seven.png", "'runs/none' is no folder of a finished run, and no .keras file"),
        ("predict none.keras seven.png", "'none.keras' is no folder of a finished run, and no .keras file"),
        ("export vit-b16 served/1", "'vit-b16' says nothing of weights; name some, as in 'vit-b16:"),
    ],
)
def test_what_cannot_be_done_is_one_line_and_status_2(line, says, capsys):
    assert says in refused(line.split(), capsys)


def test_what_a_model_and_files_lack_for_a_prediction_is_said(tmp_path, capsys):
    image = tmp_path / "seven.png"
    Image.new("RGB", (17, 13), (200, 100, 50)).save(image)
    model = small("lenet", image_size=(37, 41))
    bundle.update(model, preprocessing=data.Preprocessing((37, 41), model.input.shape[-1]))
    model.save(tmp_path / "classifier.keras")
    small("lenet", classes=0).save(tmp_path / "backbone.keras")
    assert "has no classes to predict" in refused(["predict", tmp_path / "backbone.keras", image], capsys)
    classifier = tmp_path / "classifier.keras"
    assert "is not empty" in refused(["export", classifier, tmp_path], capsys)


def test_probabilities_of_a_model_that_was_trained_for_several_labels_are_sigmoids(tmp_path, capsys):
    Image.new("RGB", (41, 37), (128, 128, 128)).save(tmp_path / "grey.png")
    model = small("lenet", image_size=(37, 41), channels=3)
    bundle.update(
        model, preprocessing=data.Preprocessing((37, 41), mean=128 / 255), labels={i: f"c{i}" for i in range(7)},
        activation="sigmoid",
    )  # fmt: skip
    model.save(tmp_path / "model.keras")
    __main__.main(
        ["predict", str(tmp_path / "model.keras"), str(tmp_path / "grey.png"), "--top", "7", "--format", "jsonl"]
    )
    answer = json.loads(capsys.readouterr().out)
    expected = 1 / (1 + np.exp(-np.asarray(model(np.zeros((1, 37, 41, 3))), "float64")[0]))
    got = dict(zip(answer["labels"], answer["probabilities"], strict=True))
    np.testing.assert_allclose([got[f"c{i}"] for i in range(7)], expected, rtol=1e-3)


def test_published_weights_that_leave_the_head_new_predict_and_serve_nothing(monkeypatch, capsys, tmp_path):
    model = small("vit")
    bundle.update(model, origin="vit-b16:dino")
    monkeypatch.setattr("keras_vit.models.model_of", lambda name: model)
    said = "the checkpoint has 0 classes and the model 7, so its head is new"
    assert said in refused(["predict", "vit-b16:dino", "seven.png"], capsys)
    assert said in refused(["export", "vit-b16:dino", str(tmp_path / "served")], capsys)
    assert not (tmp_path / "served").exists()


@pytest.mark.slow
def test_a_trained_run_predicts_and_is_exported(tmp_path, capsys):
    run, served = tmp_path / "run", tmp_path / "served" / "1"
    more = ["--epochs", "1", "--warmup-epochs", "0.5", "--train-fraction", "0.2"]
    folders = ["--output", str(run), "--data-dir", str(tmp_path)]
    __main__.main(["train", "classify", "--preset", "smoke", *more, *folders])
    files = [str(tmp_path / f"{shade}.png") for shade in (40, 90, 140)]
    for file in files:
        Image.new("L", (11, 7), int(Path(file).stem)).save(file)
    capsys.readouterr()
    __main__.main(["predict", str(run), *files, "--top", "10", "--format", "jsonl"])
    answers = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    __main__.main(["predict", str(run), *files])
    lines = capsys.readouterr().out.splitlines()
    __main__.main(["export", str(run), str(served)])
    assert str(served) in capsys.readouterr().out
    signature = tf.saved_model.load(str(served)).signatures["serving_bytes"]
    expected = signature(image_bytes=tf.constant([Path(file).read_bytes() for file in files]))
    for i, (file, answer, line) in enumerate(zip(files, answers, lines, strict=True)):
        label, share = answer["labels"][0], answer["probabilities"][0]
        assert answer["image"] == file and sorted(answer["labels"]) == sorted("0123456789")
        assert line == f"{file}: {label} ({share:.1%})"
        assert [each.decode() for each in expected["labels"][i].numpy()] == answer["labels"][:5]
        np.testing.assert_allclose(answer["probabilities"][:5], expected["probabilities"][i], rtol=1e-4)
        assert sum(answer["probabilities"]) == pytest.approx(1)
