"""`python -m keras_vit` lists and describes models."""

import pytest

from keras_vit import __main__


@pytest.fixture(autouse=True)
def wide(monkeypatch):
    monkeypatch.setattr(__main__.console, "_width", 160)


def test_list_prints_a_row_for_each_match(capsys):
    assert __main__.main(["list", "vit-l16*"]) == 0
    printed = capsys.readouterr().out
    for fact in ("vit-l16 ", "304,326,632", "61.6", "224×224", "augreg_in21k_ft_in1k (85.9 %)", "vit-l16-384"):
        assert fact in printed
    assert "vit-b16" not in printed


def test_info_prints_options_and_checkpoints(capsys):
    assert __main__.main(["info", "vit-b16"]) == 0
    printed = capsys.readouterr().out
    for fact in ("86,567,656 parameters, 17.6 GMACs at 224×224", "drop_path", "dino", "apache-2.0", "84.5 %"):
        assert fact in printed


def test_info_of_a_model_without_checkpoints_says_so(capsys):
    assert __main__.main(["info", "lenet-5"]) == 0
    assert "no published checkpoint is known" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "says"),
    [(["info", "vit-b61"], "did you mean 'vit-b16'"), (["list", "viit-*"], "no model matches 'viit-*'; the families")],
)
def test_unknown_name_is_a_sentence_and_status_2(capsys, arguments, says):
    assert __main__.main(arguments) == 2
    assert capsys.readouterr().err.startswith("error: ") and says in _last(capsys, arguments)


def _last(capsys, arguments):
    __main__.main(arguments)
    return capsys.readouterr().err
