"""What a training prints in the end."""

import pathlib
import types

from keras_vit.training import outcome
from keras_vit.training.task import Monitor


def test_path_is_printed_as_it_is(capsys):
    found = {"test": {}, "best": {"val_accuracy": 0.5, "epoch": 3}, "seconds": 7, "devices": ["CPU"], "skipped": []}
    for name in ("[red]x[/red]", "$a_b$", "猫", "[/]"):
        folder = types.SimpleNamespace(path=pathlib.Path("runs", name))
        outcome._show(Monitor("val_accuracy", "max", ".2%"), found, folder)
        assert f"runs/{name}" in capsys.readouterr().out
