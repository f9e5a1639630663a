"""The lessons run as they stand on the page, print what the page says, and show pictures that the recipe draws."""

import contextlib
import io
import re
import tokenize
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from keras_vit.recipes import draw_lessons

pytestmark = pytest.mark.slow
DOCS = Path(__file__).parents[2] / "docs"
PAGES = ("understanding_vit.md", "understanding_vit.ja.md")
BLOCK = re.compile(r"```python\n(.*?)```\n(?:\n```text\n(.*?)```)?", re.DOTALL)
PICTURE = re.compile(r"!\[([^\]]*)\]\(([^)]*)\)")
MEASURED = re.compile(r"≈ *(\d+\.\d+)%")
HELD_OUT = 360  # images, whose share that is right is a little another where a machine rounds otherwise in training


def text_of(page):
    return (DOCS / page).read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def printed():
    """Runs the English page as one program; returns [(what the page says is printed, what is)]."""
    page, state, found = text_of(PAGES[0]), {"__name__": "page"}, []
    for block in BLOCK.finditer(page):
        above = "\n" * page[: block.start(1)].count("\n")  # so that an error names the line of the page
        with contextlib.redirect_stdout(io.StringIO()) as output:
            exec(compile(above + block[1], PAGES[0], "exec"), state)
        found.append((block[2] or "", output.getvalue()))
    return found


def test_every_block_prints_what_stands_below_it(printed):
    assert len(printed) > 20
    for said, found in printed:
        assert MEASURED.sub("≈", found) == MEASURED.sub("≈", said)
        share, measured = (np.array(MEASURED.findall(each), "float64") / 100 for each in (said, found))
        deviation = np.sqrt(share * (1 - share) / HELD_OUT)
        assert np.all(np.abs(share - measured) <= 4 * deviation), f"the page says\n{said}but it is\n{found}"


def test_every_block_proves_or_prints_something():
    for code, said in BLOCK.findall(text_of(PAGES[0])):
        assert said or "assert " in code


def code_without_comments(block):
    tokens = tokenize.generate_tokens(io.StringIO(block).readline)
    return [(each.type, each.string) for each in tokens if each.type not in (tokenize.COMMENT, tokenize.NL)]


def test_both_pages_have_the_same_program_and_output():
    english, japanese = (BLOCK.findall(text_of(page)) for page in PAGES)
    assert len(english) == len(japanese)
    for (ours, said), (theirs, told) in zip(english, japanese, strict=True):
        strip = [token for token in code_without_comments(ours) if not token[1].startswith('"""')]
        assert strip == [token for token in code_without_comments(theirs) if not token[1].startswith('"""')]
        assert said == told


def test_both_pages_have_the_same_steps_and_papers():
    english, japanese = (text_of(page) for page in PAGES)
    steps = [re.findall(r"^## (\d+)\.", page, re.MULTILINE) for page in (english, japanese)]
    assert steps[0] == steps[1] == [str(i) for i in range(1, 12)]
    papers = [sorted(re.findall(r"\d{4}\.\d{5}", page)) for page in (english, japanese)]
    assert papers[0] == papers[1] and len(papers[0]) > 8


@pytest.mark.parametrize("page", PAGES)
def test_pictures_of_a_page_are_those_that_the_recipe_draws(page):
    shown = PICTURE.findall(text_of(page))
    assert {where for _, where in shown} == {f"understanding/{name}.png" for name in draw_lessons.PICTURES}
    for alt, where in shown:
        assert len(alt) > 20, f"{where} has no text for those who can't see it"
        assert (DOCS / where).stat().st_size < 150_000
        with Image.open(DOCS / where) as image:
            assert image.format == "PNG"


@pytest.mark.parametrize("page", PAGES)
def test_links_lead_to_files(page):
    links = re.findall(r"(?<!!)\[[^\]]*\]\(([^)#]+)", text_of(page))
    assert links
    for link in links:
        assert (DOCS / link).exists(), link


def test_recipe_draws_every_picture_anew(tmp_path):
    paths = draw_lessons.draw(draw_lessons.dataclasses.replace(draw_lessons.smoke(), output=str(tmp_path)))
    assert {path.name for path in paths} == {path.name for path in (DOCS / "understanding").glob("*.png")}
    assert {path.name for path in tmp_path.iterdir()} == {path.name for path in paths}
    for path in paths:
        pixels = np.asarray(Image.open(path).convert("L"), "float32")
        assert pixels.shape[0] > 200 and pixels.shape[1] > 500 and pixels.std() > 15, path
        edge = np.concatenate([pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1]])
        assert edge.min() > 250, f"something is cut off at the edge of {path}"


def test_recipe_refuses_what_it_cannot_draw(tmp_path):
    with pytest.raises(ValueError, match="photo 96 or more, not 2 and 5"):
        draw_lessons.draw(draw_lessons.Options(epochs=2, photo=5, output=str(tmp_path / "none")))
    assert not (tmp_path / "none").exists()
