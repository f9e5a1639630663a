"""The command line that is made from a dataclass of options."""

import dataclasses
import json

import pytest

from keras_vit import cli
from keras_vit.recipes import train_classifier
from keras_vit.training.callbacks import DivergedError


@dataclasses.dataclass(frozen=True, kw_only=True)
class Options:
    model: str = "vit-ti16"
    image_size: int | tuple[int, int] | None = None
    model_options: cli.KeyValues = dataclasses.field(default_factory=dict)
    fresh: bool = False


PRESETS = {"plain": Options(), "tall": Options(image_size=(11, 7), model_options={"patch": 2, "depth": 3})}


def parse(line):
    return cli.parse(PRESETS, "Trains.", line.split())


def test_first_preset_is_the_default():
    assert parse("") == PRESETS["plain"]


def test_options_change_the_preset():
    changed = parse("--preset tall --image-size 5 --fresh")
    assert changed == dataclasses.replace(PRESETS["tall"], image_size=5, fresh=True)
    assert parse("--image-size 13 17").image_size == (13, 17)


def test_model_options_are_values_and_add_to_the_preset():
    options = parse("--preset=tall --model-options depth=5 drop_path=0.1 pool=mean flat=True patch=(2,3)")
    assert options.model_options == {"patch": (2, 3), "depth": 5, "drop_path": 0.1, "pool": "mean", "flat": True}


def test_another_model_does_not_get_the_model_options_of_the_preset():
    assert parse("--preset tall --model resnet-18").model_options == {}
    assert parse("--preset tall --model resnet-18 --model-options depth=3").model_options == {"depth": 3}


@pytest.mark.parametrize("line", ["--preset tiny", "--imagesize 3", "--model-options depth", "--image-size many"])
def test_a_line_that_makes_no_sense_exits_with_2_and_says_what_was_given(line, capsys):
    with pytest.raises(SystemExit) as stopped:
        parse(line)
    assert stopped.value.code == 2
    assert line.split()[-1].split("=")[0] in capsys.readouterr().err


def test_help_names_the_presets(capsys):
    with pytest.raises(SystemExit):
        parse("--help")
    assert "plain,tall" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("error", "status"),
    [(ValueError("no such model"), 2), (ImportError("type: pip"), 2), (DivergedError("the loss"), 1)],
)
def test_an_error_is_a_sentence_and_an_exit_status(error, status, capsys, monkeypatch):
    def train(options):
        raise error

    monkeypatch.setattr("sys.argv", ["train"])
    with pytest.raises(SystemExit) as stopped:
        cli.run(train, PRESETS, "Trains.")
    assert stopped.value.code == status
    assert capsys.readouterr().err == f"error: {error}\n"


def test_a_file_of_options_is_where_a_run_starts_from(tmp_path, capsys):
    file = tmp_path / "options.json"
    chosen = {"model": "vit-s16", "image_size": [11, 7], "model_options": {"depth": 3}}
    file.write_text(json.dumps({"written_by": "keras_vit", "options": chosen}))
    expected = Options(model="vit-s16", image_size=(11, 7), model_options={"depth": 3})
    assert parse(f"--options {file}") == expected
    assert parse(f"--options {file} --model-options patch=5 --fresh") == dataclasses.replace(
        expected, model_options={"depth": 3, "patch": 5}, fresh=True
    )
    file.write_text(json.dumps({"options": {"modle": "vit-s16"}}))
    for line, sentence in (
        (f"--options {file}", "names 'modle', which is no option"),
        (f"--options {tmp_path}/none.json", "is no file of options such as a run's options.json"),
        (f"--options {file} --preset tall", "not allowed with argument"),
    ):
        with pytest.raises(SystemExit) as stopped:
            parse(line)
        assert stopped.value.code == 2 and sentence in capsys.readouterr().err


def test_the_help_of_a_preset_tells_about_it_in_the_groups_of_its_options(capsys):
    with pytest.raises(SystemExit):
        cli.parse(train_classifier.PRESETS, "Trains.", ["--preset", "deit", "--help"], train_classifier.ABOUT)
    shown = capsys.readouterr().out
    assert "arXiv 2012.12877" in shown
    for group in (base.__doc__ for base in train_classifier.Options.__bases__):
        assert group in shown
    for field in dataclasses.fields(train_classifier.Options):
        assert f"--{field.name.replace('_', '-')}" in shown, field.name


@dataclasses.dataclass(frozen=True, kw_only=True)
class Search(Options):
    """What is searched"""

    trials: int = 3
    """how many"""
    model: str = "vit-s16"
    """another default than that of the base"""


def test_fields_of_a_subclass_are_a_group_of_their_own(capsys):
    presets = {"plain": Search(), "long": Search(trials=11)}
    assert cli.parse(presets, "Searches.", ["--preset", "long", "--image-size", "5"]) == Search(trials=11, image_size=5)
    with pytest.raises(SystemExit):
        cli.parse(presets, "Searches.", ["--help"])
    shown = capsys.readouterr().out
    assert "What is searched" in shown and shown.count("--model TEXT") == 1 and "--trials N" in shown
