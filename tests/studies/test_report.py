"""The report is one file that needs nothing else, whatever its texts hold."""

import html.parser
import re
from urllib.parse import unquote

import numpy as np
import pytest
from kit import browser
from markdown_it import MarkdownIt
from PIL import Image

from keras_vit.studies.report import Picture, Section, Table, write_markdown, write_report

NASTY = '<script>alert("1 & 2")</script>'


@pytest.fixture
def report(tmp_path):
    picture = tmp_path / "picture.png"
    Image.fromarray(np.arange(35 * 53 * 3, dtype="uint8").reshape(35, 53, 3)).save(picture)
    sections = [
        Section(
            title=f"Step {NASTY}",
            question="What?",
            pictures=(Picture(picture, f"A {NASTY}"),) * 2,
            numbers={f"share {NASTY}": "12.3 %"},
            finding=f"{{braces}} and {NASTY}",
            table=Table(("network", "accuracy"), (("ViT", "61 %"), ("MLP", "43 %"))),
            method=NASTY,
        ),
        Section(title="Second", question="And?", numbers={}, finding="Nothing."),
    ]
    path = tmp_path / "report.html"
    write_report(path, f"Report {NASTY}", "A lead.", sections, {"machine": NASTY})
    return path


class _Reader(html.parser.HTMLParser):
    """Collects the tags of a page, and checks that all are closed in order."""

    def __init__(self):
        super().__init__()
        self.open, self.tags = [], []

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))
        if tag not in ("meta", "link", "img"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def test_page_is_well_formed_and_refers_to_nothing_outside(report):
    page = report.read_text(encoding="utf-8")
    reader = _Reader()
    reader.feed(page)
    assert not reader.open and "script" not in {tag for tag, _ in reader.tags}
    ids = {attributes["id"] for _, attributes in reader.tags if "id" in attributes}
    for _, attributes in reader.tags:
        for name in ("src", "href"):
            value = attributes.get(name, "data:")
            assert value.startswith("data:") or value[1:] in ids, value
    assert "http" not in re.sub(r'http-equiv="Content', "", page) and "url(" not in page
    assert ("html", {"lang": "en"}) in reader.tags
    assert [each["alt"] for tag, each in reader.tags if tag == "img"] == [f"A {NASTY}"] * 2


def test_all_that_was_given_stands_in_the_page(report):
    page = report.read_text(encoding="utf-8")
    escaped = "&lt;script&gt;alert(&quot;1 &amp; 2&quot;)&lt;/script&gt;"
    assert page.count(escaped) == 10 and "<script" not in page
    for text in ("12.3\u00a0%", "{braces} and", "A lead.", "Nothing.", '<th scope="row">ViT</th><td>61\u00a0%</td>'):
        assert text in page


def test_missing_picture_leaves_the_old_report_alone(report):
    before = report.read_bytes()
    lost = Section(title="a", question="b", pictures=(Picture(report.parent / "no.png", "c"),), numbers={}, finding="d")
    with pytest.raises(FileNotFoundError, match=r"no\.png"):
        write_report(report, "t", "l", [lost], {})
    assert report.read_bytes() == before and not list(report.parent.glob("tmp-*"))


def test_markdown_says_the_same_and_points_to_the_pictures_beside_it(tmp_path):
    folder = tmp_path / "pictures"
    folder.mkdir()
    table = Table(("network", "accuracy"), (("ViT", "61 %"), ("MLP", "43 %")))
    picture = Picture(folder / "one.png", "Two lines")
    step = Section(title="Step", question="What?", pictures=(picture,), numbers={}, finding="This.", table=table)
    write_markdown(tmp_path / "report.md", "Report", "A lead.", [step], {"machine": "small", "cores": "2"})
    assert (tmp_path / "report.md").read_text(encoding="utf-8").splitlines() == [
        "# Report", "", "A lead.", "", "## 1. Step", "", "*What?*", "", "![Two lines](pictures/one.png)", "",
        "**This.**", "", "| network | accuracy |", "| --- | ---: |", "| ViT | 61 % |", "| MLP | 43 % |", "",
        "## How this was made", "", "- machine: small", "- cores: 2",
    ]  # fmt: skip


NAMES = [NASTY, "a|b", "**b**", "_i_", "snake_case", "`c`", "[l](http://x)", "$x$", "~~s~~"]
NAMES += ["a\\*b", "&lt;", "<b>", "# h", "- h", "a\nb"]


def _shown(token):
    """Returns the text that a reader of Markdown sees, for a picture its alternative."""
    return "".join(map(_shown, token.children)) if token.children else token.content


@pytest.mark.parametrize("name", NAMES)
def test_markdown_shows_names_as_they_are(tmp_path, name):
    folder = tmp_path / "pic (1) ü#"
    folder.mkdir()
    table = Table((name, name), ((name, name),))
    picture = Picture(folder / "a b.png", name)
    texts = {"title": name, "question": name, "finding": name, "method": name}
    step = Section(pictures=(picture,), numbers={}, table=table, **texts)
    write_markdown(tmp_path / "report.md", name, name, [step], {name: name})
    reader = MarkdownIt("commonmark").enable(["table", "strikethrough"])
    seen = reader.parse((tmp_path / "report.md").read_text(encoding="utf-8"))
    shown = [each for token in seen for each in token.children or ()]
    plain = name.replace("\n", " ")
    assert not {each.type for each in shown} & {"html_inline", "code_inline", "link_open", "s_open"}
    assert not any(token.type in ("html_block", "code_block") for token in seen)
    lines = [_shown(token) for token in seen if token.type == "inline"]
    whole = [plain, plain, f"1. {plain}", plain, plain, plain, plain, plain, plain, plain, plain, "How this was made"]
    assert lines == [*whole, f"{plain}: {plain}"]
    (image,) = (each for each in shown if each.type == "image")
    assert unquote(image.attrs["src"]) == "pic (1) ü#/a b.png"


@browser.needed
@pytest.mark.parametrize("width", [1200, 500])
def test_browser_shows_the_pictures_and_says_nothing(report, tmp_path, width):
    found = browser.open_page(report, tmp_path, width)
    assert found["console"] == []
    assert [each["width"] for each in found["images"]] == [53, 53]
    assert found["wide"] <= found["window"]


@browser.needed
def test_browser_would_tell_of_broken_pictures_and_of_scripts(tmp_path):
    path = tmp_path / "broken.html"
    policy = '<meta http-equiv="Content-Security-Policy" content="script-src \'none\'">'
    image = '<img alt="broken" src="data:image/png;base64,AAAA">'
    path.write_text(f"<!DOCTYPE html><html><head>{policy}</head><body>{image}<script>1</script></body></html>")
    found = browser.open_page(path, tmp_path)
    assert found["images"] == [{"alt": "broken", "width": 0}] and found["console"]
