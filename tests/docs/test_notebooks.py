"""The notebooks run from the first cell to the last, and are kept without outputs."""

import json

import pytest
from kit.tools import tool

notebooks = tool("notebooks")


def test_there_are_notebooks():
    assert [path.stem for path in notebooks.NOTEBOOKS] == ["first_training", "serving", "understanding"]


@pytest.mark.parametrize("path", notebooks.NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_is_kept_without_outputs(path):
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    assert all(not cell.get("outputs") and cell.get("execution_count") is None for cell in cells)


@pytest.mark.slow
@pytest.mark.parametrize("path", notebooks.NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_runs_and_shows_as_many_pictures_as_the_site(path, tmp_path, monkeypatch):
    monkeypatch.setenv("EPOCHS", "1")
    shown = notebooks.pictures(notebooks.run(path, tmp_path))
    assert len(shown) == len(list(notebooks.PICTURES.glob(f"{path.stem}_*.png")))
    assert all(picture.startswith(b"\x89PNG") for picture in shown)
