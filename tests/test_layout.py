"""The house stands as designed: who may import whom, and what an install adds."""

import ast
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from kit.skipping import skip_by_nature

ROOT = Path(__file__).parent.parent
# a module may import only what stands above it; those in one row don't import each other
FLOORS = [
    {"backend", "discovery", "files", "spaces"},
    {"pictures", "registry"},
    {"layers"},
    {"heads"},
    {"weights"},
    {"zoo", "models"},
    {"data", "facts", "taps"},
    {"analysis", "training"},
    {"tasks"},
    {"serving", "tuning"},
    {"studies", "testing"},
    {"recipes", "__main__"},
]
FLOOR = {name: i for i, names in enumerate(FLOORS) for name in names}
MAY_SKIP_KERAS = {"backend", "discovery", "registry", "spaces"}


def modules():
    """Yields (its part of the house, its path) of every module but keras_vit/__init__.py."""
    for path in sorted((ROOT / "keras_vit").rglob("*.py")):
        part = path.relative_to(ROOT / "keras_vit").parts[0].removesuffix(".py")
        if part != "__init__":
            yield part, path
    for part in ("zoo", "recipes"):
        yield from ((part, path) for path in sorted((ROOT / part).glob("*.py")))


def imported(path):
    """Returns the parts of the house that a module imports, and the other packages that it imports at once."""
    parts, others = set(), set()
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        names = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path} imports relatively"
            names = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
        for name in names:
            first, _, rest = name.partition(".")
            if first == "keras_vit" and rest.partition(".")[0] in FLOOR:
                parts.add(rest.partition(".")[0])
            elif first != "keras_vit" and node in tree.body:
                others.add(first)
    return parts, others


@pytest.mark.parametrize(("part", "path"), modules(), ids=lambda each: getattr(each, "stem", each))
def test_module_imports_only_what_stands_above_it(part, path):
    wrong = {other for other in imported(path)[0] if FLOOR[other] >= FLOOR[part] and other != part}
    assert not wrong, f"{path.relative_to(ROOT)} imports {wrong}"


@pytest.mark.parametrize("part", sorted(MAY_SKIP_KERAS))
def test_registry_needs_the_standard_library_alone(part):
    assert imported(ROOT / "keras_vit" / f"{part}.py")[1] <= set(sys.stdlib_module_names)


def test_families_fit_on_the_screen():
    lines = {path.name: len(path.read_text().splitlines()) for path in (ROOT / "zoo").glob("*.py")}
    assert lines["vit.py"] <= 200 and max(lines.values()) <= 250, lines
    assert len((ROOT / "keras_vit/registry.py").read_text().splitlines()) <= 150


def test_wheel_adds_one_name_and_holds_zoo_recipes_and_tables(tmp_path):
    command = [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "--no-build-isolation", "--no-index"]
    source = tmp_path / "source"
    tracked = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True)
    if tracked.returncode:
        skip_by_nature("not a git checkout: what belongs to the wheel isn't known")
    for name in tracked.stdout.split():
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        (source / name).write_bytes((ROOT / name).read_bytes())
    subprocess.run([*command, "-w", str(tmp_path), str(source)], check=True)
    (wheel,) = tmp_path.glob("*.whl")
    names = zipfile.ZipFile(wheel).namelist()
    assert {name.partition("/")[0] for name in names if ".dist-info" not in name} == {"keras_vit"}
    expected = {str(path.relative_to(ROOT)) for _, path in modules()} | {
        str(path.relative_to(ROOT)) for path in (ROOT / "zoo").glob("*.csv")
    }
    inside = {f"keras_vit/{name}" if name.startswith(("zoo", "recipes")) else name for name in expected}
    assert inside <= set(names), inside - set(names)
