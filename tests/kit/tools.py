"""The tools of the repository, which no install has, as modules."""

import importlib.util
from pathlib import Path

FOLDER = Path(__file__).parents[2] / "tools"


def tool(name):
    """Returns the module of the file at `name` below tools/, such as "site/zoo"."""
    spec = importlib.util.spec_from_file_location(name.replace("/", "_"), FOLDER / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
