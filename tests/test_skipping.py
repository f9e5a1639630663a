"""Where all tests are required, a skip that isn't by nature fails."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

HOOKS = Path(__file__).parent / "conftest.py"
TESTS = """
import pytest
from kit.skipping import needs, skip_by_nature

def test_missing(): pytest.importorskip("no_such_module")
@pytest.mark.skip(reason="for now")
def test_put_off(): pass
@pytest.fixture
def reference(): pytest.skip("no reference")
def test_with_fixture(reference): pass
@needs(False, "another platform")
def test_elsewhere(): pass
def test_no_checkout(): skip_by_nature("no checkout")
@pytest.mark.xfail(reason="known")
def test_known(): assert False
"""


@pytest.mark.parametrize(
    ("required", "counts"), [("1", "1 failed, 2 skipped, 1 xfailed, 2 errors"), ("", "5 skipped, 1 xfailed")]
)
def test_a_skip_fails_unless_it_is_by_nature(tmp_path, required, counts):
    (tmp_path / "conftest.py").write_text(HOOKS.read_text(encoding="utf-8"), encoding="utf-8")
    (tmp_path / "test_skips.py").write_text(TESTS, encoding="utf-8")
    assert counts in _pytest(tmp_path, required)


def test_a_skipped_file_fails(tmp_path):
    (tmp_path / "conftest.py").write_text(HOOKS.read_text(encoding="utf-8"), encoding="utf-8")
    (tmp_path / "test_file.py").write_text('import pytest\npytest.importorskip("no_such_module")\n', encoding="utf-8")
    assert "1 error" in _pytest(tmp_path, "1")


def _pytest(folder, required):
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-p",
        "no:cacheprovider",
        "-o",
        f"pythonpath={HOOKS.parent}",
        folder,
    ]
    done = subprocess.run(
        command, cwd=folder, capture_output=True, text=True, env=os.environ | {"REQUIRE_ALL": required}
    )
    return done.stdout
