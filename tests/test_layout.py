"""The house stands as designed: who may import whom, and what an install adds."""

import ast
import graphlib
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from kit.skipping import skip_by_nature

import keras_vit

ROOT = Path(__file__).parent.parent
# a module may import only what stands above it; those in one row don't import each other
FLOORS = [
    {"backend", "discovery", "files", "keras_internals", "labels", "nested", "quiet", "spaces"},
    {"checked"},
    {"overrides"},
    {"pictures", "registry"},
    {"published"},
    {"layers"},
    {"bundle", "graphs"},
    {"heads", "outputs", "saved"},
    {"serialization", "weights"},
    {"zoo", "models"},
    {"data", "facts", "taps"},
    {"analysis", "training"},
    {"tasks"},
    {"export", "serving", "tuning"},
    {"studies", "testing"},
    {"synonyms"},
    {"cli"},
    {"recipes"},
    {"__main__"},
]
FLOOR = {name: i for i, names in enumerate(FLOORS) for name in names}
MAY_SKIP_KERAS = {
    "backend",
    "checked",
    "discovery",
    "facts",
    "labels",
    "nested",
    "overrides",
    "published",
    "quiet",
    "registry",
    "serialization",
    "spaces",
}


def modules():
    """Returns {name of a module: its path}, of all that is installed."""
    folders = {"keras_vit": ROOT / "keras_vit", "keras_vit.zoo": ROOT / "zoo", "keras_vit.recipes": ROOT / "recipes"}
    found = {}
    for package, folder in folders.items():
        for path in sorted(folder.rglob("*.py")):
            parts = path.relative_to(folder).with_suffix("").parts
            found[".".join((package, *parts)).removesuffix(".__init__")] = path
    return found


MODULES = modules()


def part_of(name):
    return name.split(".")[1]


def names_in(node, path):
    """Returns what a node of the syntax tree imports, by a statement or by `import_module` and `load`."""
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if isinstance(node, ast.ImportFrom):
        assert node.level == 0, f"{path} imports relatively"
        return [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
    if isinstance(node, ast.Call) and node.args and isinstance(node.args[0], ast.Constant):
        called = getattr(node.func, "attr", getattr(node.func, "id", None))
        return [str(node.args[0].value)] if called in ("import_module", "load") else []
    return []


def executed(tree):
    """Yields the nodes of a syntax tree, those in functions too, but none of `if TYPE_CHECKING`."""
    yield tree
    for child in ast.iter_child_nodes(tree):
        if not (isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test)):
            yield from executed(child)


def imported(name):
    """Returns our modules that the module imports, anywhere within it, and other packages that it imports at once."""
    ours, others = set(), set()
    tree = ast.parse(MODULES[name].read_text(encoding="utf-8"))
    for node in executed(tree):
        names = names_in(node, MODULES[name])
        if isinstance(node, ast.ImportFrom) and all(each in MODULES for each in names[1:]):
            names = names[1:]  # modules alone: nothing of what their package defines
        for each in names:
            if each in MODULES:
                ours.add(each)
            elif not each.startswith("keras_vit") and node in tree.body:
                others.add(each.partition(".")[0])
    return ours - {name, "keras_vit"}, others


@pytest.mark.parametrize("name", sorted(MODULES.keys() - {"keras_vit"}))
def test_module_imports_only_what_stands_above_it(name):
    part = part_of(name)
    wrong = {other for other in imported(name)[0] if FLOOR[part_of(other)] >= FLOOR[part] and part_of(other) != part}
    assert not wrong, f"{name} imports {wrong}"


def test_files_import_each_other_in_no_circle():
    graph = {name: imported(name)[0] for name in MODULES}
    try:
        graphlib.TopologicalSorter(graph).prepare()
    except graphlib.CycleError as error:
        pytest.fail(f"a circle, each imported by the next: {' -> '.join(error.args[1])}")


@pytest.mark.parametrize("part", sorted(part for part in MAY_SKIP_KERAS if f"keras_vit.{part}" in MODULES))
def test_registry_needs_the_standard_library_alone(part):
    assert imported(f"keras_vit.{part}")[1] <= set(sys.stdlib_module_names)


def test_imports_are_seen_wherever_they_stand(tmp_path, monkeypatch):
    path = tmp_path / "a.py"
    path.write_text(
        "import numpy\nfrom typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import keras_vit.tables\n"
        "def f():\n    from keras_vit.data import source\n    importlib.import_module('keras_vit.weights')\n"
    )
    monkeypatch.setitem(MODULES, "keras_vit.a", path)
    assert imported("keras_vit.a") == ({"keras_vit.data.source", "keras_vit.weights"}, {"numpy", "typing"})


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
    expected = [*MODULES.values(), *(ROOT / "zoo").glob("*.csv")]
    expected += [ROOT / "keras_vit/py.typed", ROOT / "keras_vit/facts.csv"]
    expected = {str(path.relative_to(ROOT)) for path in expected}
    inside = {f"keras_vit/{name}" if name.startswith(("zoo", "recipes")) else name for name in expected}
    assert inside <= set(names), inside - set(names)
    assert f"-{keras_vit.__version__}-" in wheel.name
