"""What `keras-vit info` tells of a run, of a .keras file, and of a run that has not ended."""

import json
import shutil

import pytest

from keras_vit.recipes import describe_model


@pytest.fixture(autouse=True)
def wide(monkeypatch):
    monkeypatch.setenv("COLUMNS", "250")


def described(capsys, path):
    """Returns {name: value} of the table that is printed."""
    describe_model.main(arguments=[str(path)])
    rows = [line.split("│") for line in capsys.readouterr().out.splitlines() if line.count("│") == 3]
    return {row[1].strip(): row[2].strip() for row in rows}


def test_a_run_tells_what_was_trained_on_what_and_what_came_out(run, capsys):
    told, result = described(capsys, run), json.loads((run / "result.json").read_text())
    assert told["network"] == "mlp widths=[5]" and told["began from"] == "random weights"
    assert told["data"].endswith("photos") and told["images"] == "40 train, 10 validation, 22 test"
    assert (
        f"accuracy {result['test']['accuracy']:.4g}" in told["test"]
        and f"epoch {result['best']['epoch']}" in told["best epoch"]
    )
    assert "label_smoothing=0.3" in told["options"] and told["seed"] == "0"
    assert told["parameters"] == f"{7 * 5 * 3 * 5 + 5 + 5 * 2 + 2:,}"
    assert told["takes"].startswith("7×5×3") and told["gives"] == "2 outputs" and told["classes"] == "ant, bee"
    assert "image_size=(7, 5)" in told["preprocessing"]


def test_a_model_file_tells_what_it_carries(run, capsys, tmp_path):
    shutil.copy(run / "best.keras", tmp_path / "alone.keras")
    told = described(capsys, tmp_path / "alone.keras")
    assert told["classes"] == "ant, bee" and told["origin"] == "mlp" and "data" not in told


def test_a_run_that_has_not_ended_says_so(run, capsys, tmp_path):
    shutil.copy(run / "options.json", tmp_path)
    told = described(capsys, tmp_path)
    assert told["state"] == "has not ended" and told["model"].startswith("none yet")
