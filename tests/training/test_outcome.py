"""What a training prints in the end."""

import pathlib
import shlex
import types

from keras_vit.tasks.classify import Classify
from keras_vit.training import outcome
from keras_vit.training.task import Monitor


def test_path_is_printed_as_it_is(capsys):
    found = {"test": {}, "best": {"val_accuracy": 0.5, "epoch": 3}, "seconds": 7, "devices": ["CPU"], "skipped": []}
    for name in ("[red]x[/red]", "$a_b$", "猫", "[/]"):
        folder = types.SimpleNamespace(path=pathlib.Path("runs", name))
        outcome._show(Monitor("val_accuracy", "max", ".2%"), found, folder)
        assert f"runs/{name}" in capsys.readouterr().out


def test_the_commands_that_go_on_are_those_of_the_task_and_quoted_for_a_shell(capsys):
    folder = types.SimpleNamespace(path=pathlib.Path("runs", "my cats"))
    outcome.tell_commands(Classify(), folder)
    first, *commands = capsys.readouterr().out.splitlines()
    assert first == "go on with:"
    assert [shlex.split(each) for each in commands] == [
        ["keras-vit", "predict", "runs/my cats", "new.jpg"],
        ["keras-vit", "export", "runs/my cats"],
    ]
    outcome.tell_commands(object(), folder)
    assert capsys.readouterr().out == ""
