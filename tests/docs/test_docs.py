"""What the documentation shows runs as it stands there."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"


@pytest.mark.slow
def test_a_family_of_your_own_works_as_the_page_says(tmp_path):
    blocks = re.findall(r"```python\n(.*?)```", (DOCS / "add_a_family.md").read_text(encoding="utf-8"), re.DOTALL)
    assert len(blocks) == 3
    (tmp_path / "finch.py").write_text(blocks[0])
    done = subprocess.run([sys.executable, "-c", "\n".join(blocks[1:])], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@pytest.mark.slow
def test_a_task_of_your_own_trains_as_the_page_says(tmp_path):
    blocks = re.findall(r"```python\n(.*?)```", (DOCS / "add_a_task.md").read_text(encoding="utf-8"), re.DOTALL)
    assert len(blocks) == 2 and len([line for line in blocks[0].splitlines() if line]) <= 60
    done = subprocess.run([sys.executable, "-c", "\n".join(blocks)], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "runs" / "training" / "best.keras").exists()


def test_the_readme_builds_the_models_that_it_shows():
    import keras_vit
    from keras_vit import registry
    from keras_vit.weights import published

    text = (ROOT / "README.md").read_text(encoding="utf-8")
    calls = re.findall(r"keras_vit\.build\((.*)\) *(?:#.*)?$", text, re.MULTILINE)
    assert len(calls) == 3
    for call in calls:
        name, options = eval(f"(lambda name, **options: (name, options))({call})")
        assert options.pop("weights", None) in {None, *published(name)}
        registry.resolve(name, options)
    assert {"vit-b16", "vit-b16-384"} <= set(keras_vit.list_models("vit-*"))


@pytest.mark.parametrize("page", [ROOT / "README.md", *sorted(DOCS.rglob("*.md"))], ids=lambda page: page.stem)
def test_links_lead_to_files_of_the_repository_and_to_their_headings(page):
    links = re.findall(r"\]\(([^)\s]+)\)", re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL))
    for link in links:
        path, _, heading = link.partition("#")
        if "://" in path:
            continue
        target = page if not path else page.parent / path
        assert target.exists(), f"{page.name} links to {link}"
        if heading:
            titles = re.findall(r"^#+ (.*)$", target.read_text(encoding="utf-8"), re.MULTILINE)
            anchors = [re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles]
            assert heading in anchors, f"{page.name} links to {link}, but {target.name} has {anchors}"
