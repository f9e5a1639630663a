"""Runs the notebooks, and keeps the pictures that they show for the documentation's site: `make notebooks`."""

import base64
import re
import tempfile
from pathlib import Path

import nbformat
from nbclient import NotebookClient

ROOT = Path(__file__).parent.parent
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
PICTURES = ROOT / "docs" / "notebooks"


def run(path, folder):
    """Returns the notebook at `path` as it is after a run in `folder`; an error of a cell is raised."""
    notebook = nbformat.read(path, as_version=4)
    NotebookClient(
        notebook, timeout=1200, kernel_name="python3", resources={"metadata": {"path": str(folder)}}
    ).execute()
    return notebook


def pictures(notebook):
    """Returns the PNG files that an executed notebook shows, in their order."""
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", ())]
    return [base64.b64decode(each.data["image/png"]) for each in outputs if "image/png" in each.get("data", ())]


def main():
    for path in NOTEBOOKS:
        with tempfile.TemporaryDirectory() as folder:
            found = pictures(run(path, folder))
        for old in PICTURES.glob("*.png"):
            if re.fullmatch(rf"{path.stem}_\d+", old.stem):
                old.unlink()
        for number, picture in enumerate(found, 1):
            (PICTURES / f"{path.stem}_{number:02}.png").write_bytes(picture)


if __name__ == "__main__":
    main()
