"""What the documentation's site adds to the pages: all that is public, all models, all commands and presets."""

import importlib
import json
import re
from pathlib import Path, PurePosixPath

import pytest
from kit import browser
from kit.tools import tool

from keras_vit import __main__, registry
from keras_vit.tasks.presets.classify import PRESETS
from keras_vit.weights import published

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
zoo, recipes, links, include = (tool(f"site/{name}") for name in ("zoo", "recipes", "links", "include"))
DOCUMENTED = {
    name for page in (DOCS / "api").glob("*.md") for name in re.findall(r"^::: (\S+)", page.read_text(), re.MULTILINE)
}
PACKAGES = ("layers", "heads", "weights", "data", "analysis", "pictures", "testing")


@pytest.mark.parametrize("package", ["keras_vit", *(f"keras_vit.{name}" for name in PACKAGES)])
def test_all_that_is_public_stands_in_the_api(package):
    module = importlib.import_module(package)
    for name in module.__all__:
        found = getattr(module, name)
        if callable(found) and not (package in DOCUMENTED and f"{package}.{name}" not in submodules(module)):
            where = {f"{package}.{name}", f"{found.__module__}.{found.__qualname__}"}
            assert where & DOCUMENTED, f"{where} is on no page of docs/api"


def submodules(module):
    """Returns the names that the site takes for modules, so that what a package calls so too must be named itself."""
    folder = Path(module.__file__).parent
    return {f"{module.__name__}.{path.stem}" for path in folder.iterdir()}


def test_every_page_can_be_reached():
    reached = re.findall(r"[\w/-]+\.md", (ROOT / "mkdocs.yml").read_text(encoding="utf-8"))
    pages = {str(page.relative_to(DOCS)) for page in DOCS.rglob("*.md") if not page.stem.endswith(".ja")}
    assert pages == set(reached)


def test_the_table_of_the_zoo_has_every_model_with_its_checkpoints():
    rows = zoo.models((DOCS / "zoo.md").read_text(encoding="utf-8"), zoo.checkpoints())
    assert [row[0] for row in rows] == registry.list_models()
    for name, family, parameters, gmacs, _, checkpoints in rows:
        assert family == registry.split(name)[0] and parameters > 0 and gmacs > 0
        assert [each["tag"] for each in checkpoints] == list(published(name))


def test_a_row_of_the_zoo_has_its_best_accuracy_and_all_licences():
    known = [
        {"tag": tag, "licence": licence, "top1": top, "top1_size": "224", "classes": "1000"}
        for tag, licence, top in (("a", "mit", "79.94"), ("b", "apache-2.0", "81.25"), ("c", "mit", ""))
    ]
    row = zoo.row("finch-s", "finch", 617_290, 0.547, "64×64", known)
    assert 'data-value="81.25">81.2 %<' in row and "<td>apache-2.0<br>mit</td>" in row
    assert "617,290" in row and 'data-family="finch"' in row and "<summary>3</summary>" in row
    assert 'data-value="-1"></td>' in zoo.row("finch-s", "finch", 617_290, 0.547, "64×64", [])


def test_every_command_and_preset_has_its_section():
    assert recipes.COMMANDS == __main__.COMMANDS
    commands = "\n".join(recipes.commands())
    for command, (module, _) in __main__.COMMANDS.items():
        assert f"## keras-vit {command} {{ #{module} }}" in commands
    presets = "\n".join(recipes.presets())
    assert re.findall(r"^### (\S+)", presets, re.MULTILINE) != []
    assert set(re.findall(r"^### (\S+)", presets, re.MULTILINE)) == set(PRESETS)
    for name in re.findall(r"\]\((curves/.*?)\)", presets):
        assert (DOCS / name).exists()


def test_commands_in_a_docstring_become_blocks():
    text = "Does it.\n\n    keras-vit a --b c\n    keras-vit d\n\nMore."
    assert recipes.markdown_of(text) == "Does it.\n\n```sh\nkeras-vit a --b c\nkeras-vit d\n```\n\nMore."
    assert recipes.markdown_of("keras-vit info NAME") == "```sh\nkeras-vit info NAME\n```"


@pytest.mark.parametrize(
    ("folder", "link", "becomes"),
    [
        (".", "[a](../recipes/train_classifier.py)", "[a](recipes.md#train_classifier)"),
        ("notebooks", "[a](../../recipes/train_classifier.py)", "[a](../recipes.md#train_classifier)"),
        (".", "[a](../keras_vit/training/train.py)", "[a](api/training.md#keras_vit.training.train.train)"),
        (".", "[a](../keras_vit/layers/__init__.py)", "[a](api/layers.md)"),
        ("notebooks", "[a](../../keras_vit/bundle.py)", "[a](../api/bundle.md)"),
        (".", "[a](../SECURITY.md#images)", "[a](security.md#images)"),
        (".", "[a](../notebooks/serving.ipynb)", "[a](notebooks/serving.md)"),
        (".", "[a](zoo.md)", "[a](zoo.md)"),
        (".", "[a](https://keras.io)", "[a](https://keras.io)"),
        ("api", "[a](../zoo.md)", "[a](../zoo.md)"),
    ],
)
def test_links_out_of_the_docs_lead_to_pages_of_the_site(folder, link, becomes):
    assert links.site_link(links._LINK.match(link), PurePosixPath(folder)) == becomes


def test_a_notebook_becomes_a_page_with_a_picture_after_each_cell_that_shows_one():
    cells = [("markdown", "# One\n[two](two.ipynb)"), ("code", "x = 1\nImage(x)"), ("code", "print(Image)")]
    notebook = {"cells": [{"cell_type": kind, "source": text.splitlines(keepends=True)} for kind, text in cells]}
    assert include.page_of(notebook, ["one_1.png"]).split("\n\n") == [
        "# One\n[two](two.md)",
        "```python\nx = 1\nImage(x)\n```",
        "![What the cell above draws](one_1.png)",
        "```python\nprint(Image)\n```\n",
    ]


PROBE = """
const fill = (i, text) => {
  const control = document.querySelectorAll(".zoo-filters :is(input, select)")[i];
  control.value = text;
  control.dispatchEvent(new Event("input", {bubbles: true}));
};
const rows = () => [...document.querySelectorAll("#zoo tbody tr")];
const shown = () => rows().filter(each => !each.hidden).map(each => each.cells[0].innerText);
const found = {all: shown()};
for (const [i, text] of FILTERS) { fill(i, text); found[`${i} ${text}`] = shown(); fill(i, ""); }
const heads = document.querySelectorAll("#zoo th button");
for (const i of [0, 1, 1, 4]) { heads[i].click(); (found.sorted ??= []).push(shown()); }
document.body.append(Object.assign(document.createElement("pre"), {id: "probe", textContent: JSON.stringify(found)}));
"""


@browser.needed
def test_the_table_of_the_zoo_filters_and_sorts(tmp_path):
    def known(licence, top):
        return [{"tag": "a", "licence": licence, "top1": top, "top1_size": "224", "classes": "1000"}]

    rows = [
        ("ant-b", "ant", 90_000_000, 17.5, "224×224", known("mit", "81.2")),
        ("ant-s", "ant", 9_000_000, 4.5, "64×64", []),
        ("bee-10", "bee", 110_000_000, 2.5, "224×224", known("apache-2.0", "79.9")),
    ]
    filters = [[0, "-s"], [1, "bee"], [2, "mit"], [3, "100"], [4, "5"], [5, "80"]]
    script = (DOCS / "site" / "zoo.js").read_text(encoding="utf-8")
    probe = f"addEventListener('load', () => {{const FILTERS = {json.dumps(filters)};{PROBE}}});"
    page = f"<!doctype html><meta charset=utf-8><body>{zoo.table(rows)}<script>{script}{probe}</script></body></html>"
    (tmp_path / "zoo.html").write_text(page, encoding="utf-8")
    found = browser.probed(tmp_path / "zoo.html", tmp_path)
    assert found.pop("all") == ["ant-b", "ant-s", "bee-10"]
    assert found.pop("sorted") == [
        ["ant-b", "ant-s", "bee-10"],  # names
        ["ant-s", "ant-b", "bee-10"],  # parameters, as numbers
        ["bee-10", "ant-b", "ant-s"],  # and back
        ["ant-s", "bee-10", "ant-b"],  # accuracies, what has none first
    ]
    expected = [["ant-s"], ["bee-10"], ["ant-b"], ["ant-b", "ant-s"], ["ant-s", "bee-10"], ["ant-b"]]
    assert list(found.values()) == expected
