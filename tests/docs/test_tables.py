"""The tables of models that people read say what the zoo holds."""

import csv
import importlib.util
from pathlib import Path

import pytest

_SPEC = importlib.util.spec_from_file_location("tables", Path(__file__).parents[2] / "tools" / "tables.py")
tables = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(tables)


def test_every_row_was_counted_with_the_configuration_of_today():
    with open(tables.TABLE, newline="", encoding="utf-8") as file:
        rows = {row["model"]: row["config"] for row in csv.DictReader(file)}
    assert rows == {name: tables.fingerprint(name) for name in tables.own_models()}, "run: make tables"


@pytest.mark.parametrize("path", tables.PAGES)
def test_page_is_not_stale(path):
    assert (tables.ROOT / path).read_text(encoding="utf-8") == tables.page(path), "run: make tables"


@pytest.mark.parametrize(
    ("count", "says"), [(1_844_440_680, "1.84 G"), (86_567_656, "86.6 M"), (61_706, "61.7 k"), (12, "12")]
)
def test_counts_are_rounded_to_three_digits(count, says):
    assert tables.millions(count) == says
