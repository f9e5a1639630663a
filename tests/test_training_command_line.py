"""The command line that is made from a dataclass of options."""

import dataclasses

import pytest

from keras_vit.training import command_line
from keras_vit.training.callbacks import DivergedError


@dataclasses.dataclass(frozen=True, kw_only=True)
class Options:
    model: str = "vit-ti16"
    image_size: int | tuple[int, int] | None = None
    model_options: command_line.KeyValues = dataclasses.field(default_factory=dict)
    fresh: bool = False


PRESETS = {"plain": Options(), "tall": Options(image_size=(11, 7), model_options={"patch": 2, "depth": 3})}


def parse(line):
    return command_line.parse(PRESETS, "Trains.", line.split())


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
        command_line.run(train, PRESETS, "Trains.")
    assert stopped.value.code == status
    assert capsys.readouterr().err == f"error: {error}\n"
