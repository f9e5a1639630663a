"""A report that is one HTML file: sections of a picture, what was measured, and a sentence that says it."""

import base64
import dataclasses
import html
import os
import re
import urllib.parse
from collections.abc import Mapping, Sequence
from pathlib import Path

from keras_vit.files import replacing


@dataclasses.dataclass(frozen=True)
class Picture:
    """A PNG file, and what it shows in words for who can't see it."""

    path: Path
    alt: str


@dataclasses.dataclass(frozen=True)
class Table:
    """Rows of texts below a header; the first of a row names it."""

    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Section:
    """One step: what is asked, the pictures, the measured numbers, what they say, and how they were got."""

    title: str
    question: str
    pictures: tuple[Picture, ...] = ()
    numbers: dict[str, str]  # what it is -> the number with its unit
    finding: str
    table: Table | None = None
    method: str = ""
    measured: object = None  # what the picture draws, as numbers; no part of the page


def write_report(
    path: str | os.PathLike, title: str, lead: str, sections: Sequence[Section], facts: Mapping[str, str]
) -> None:
    """Writes the HTML file `path`: `title`, the `lead` below it, the sections, and `facts` {what: text} at the end.

    Pictures and style lie within the file, and nothing is fetched or run. All texts are plain and get escaped.
    Raises FileNotFoundError for a picture that isn't there, before anything is written.
    """
    path = Path(path)
    links = "".join(f'<li><a href="#step-{i}">{_text(s.title)}</a></li>' for i, s in enumerate(sections, start=1))
    rows = "".join(f"<dt>{_text(what)}</dt><dd>{_text(value)}</dd>" for what, value in facts.items())
    page = _PAGE.format(
        title=_text(title),
        style=_STYLE,
        lead=_text(lead),
        links=links,
        sections="".join(_section(i, each) for i, each in enumerate(sections, start=1)),
        facts=rows,
    )
    with replacing(path) as partial:
        partial.write_text(page, encoding="utf-8")


def write_markdown(
    path: str | os.PathLike, title: str, lead: str, sections: Sequence[Section], facts: Mapping[str, str]
) -> None:
    """Writes what `write_report` writes as Markdown, for where repositories are read; pictures stay files beside it.

    All texts are plain and get escaped.
    """
    path = Path(path)
    lines = [f"# {_plain(title)}", _plain(lead)]
    for number, section in enumerate(sections, start=1):
        lines += [f"## {number}. {_plain(section.title)}", f"*{_plain(section.question)}*"]
        lines += [f"![{_plain(each.alt)}]({_link(each.path, path.parent)})" for each in section.pictures]
        lines += [f"**{_plain(section.finding)}**", *_markdown_table(section.table), _plain(section.method)]
    lines += ["## How this was made", "\n".join(f"- {_plain(what)}: {_plain(each)}" for what, each in facts.items())]
    with replacing(path) as partial:
        partial.write_text("\n\n".join(filter(None, lines)) + "\n", encoding="utf-8")


def _markdown_table(table):
    if table is None:
        return []
    header, *rows = [[*map(_plain, row)] for row in (table.header, *table.rows)]
    rows = [header, ["---", *["---:"] * (len(header) - 1)], *rows]
    return ["\n".join(f"| {' | '.join(row)} |" for row in rows)]


def _plain(text):
    """Returns a text as Markdown that shows it as it is, on one line."""
    return _MARKS.sub(r"\\\g<0>", re.sub(r"\s*[\r\n]+\s*", " ", str(text)))


def _link(path, folder):
    return urllib.parse.quote(Path(os.path.relpath(path, folder)).as_posix())


def _section(number, section):
    pictures = "".join(_figure(each) for each in section.pictures)
    numbers = "".join(f"<div><dd>{_text(n)}</dd><dt>{_text(what)}</dt></div>" for what, n in section.numbers.items())
    return (
        f'<section id="step-{number}"><h2><span>{number}</span> {_text(section.title)}</h2>'
        f'<p class="question">{_text(section.question)}</p>{pictures}<dl class="numbers">{numbers}</dl>'
        f'<p class="finding">{_text(section.finding)}</p>{_table(section.table)}'
        f'{f"""<p class="method">{_text(section.method)}</p>""" if section.method else ""}</section>\n'
    )


def _figure(picture):
    data = base64.b64encode(Path(picture.path).read_bytes()).decode()
    return f'<figure><img alt="{_text(picture.alt)}" src="data:image/png;base64,{data}"></figure>'


def _table(table):
    if table is None:
        return ""
    words = [i for i, each in enumerate(zip(*table.rows, strict=True)) if not all(map(_is_number, each))]
    header = "".join(
        f'<th scope="col"{_LEFT if i in words else ""}>{_text(each)}</th>' for i, each in enumerate(table.header)
    )
    rows = "".join(
        f'<tr><th scope="row">{_text(name)}</th>{"".join(map(_cell, values))}</tr>' for name, *values in table.rows
    )
    return f'<div class="wide"><table><thead><tr>{header}</tr></thead><tbody>{rows}</tbody></table></div>'


def _cell(value):
    return f"<td{'' if _is_number(value) else _LEFT}>{_text(value)}</td>"


def _is_number(value):
    return re.match(r"[+−]?\d", value) is not None


def _text(value):
    """Returns a text as HTML; a number stays on the line of its unit."""
    return _UNIT.sub("\u00a0", html.escape(str(value)))


# what means something to Markdown, GitHub's too: an underscore within a word, as in options, doesn't
_MARKS = re.compile(r"[\\`*\[\]<>|$~]|(?<!\w)_|_(?!\w)|&(?=#?\w+;)|^(?:#|[+-](?=\s))")
_UNIT = re.compile(r"(?<=\d) (?=%|px\b|M\b|points\b)")
_LEFT = ' class="words"'
_PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; img-src data:; style-src 'unsafe-inline'">
<link rel="icon" href="data:,">
<title>{title}</title>
<style>{style}</style>
</head>
<body>
<header><h1>{title}</h1><p>{lead}</p></header>
<nav aria-label="Steps"><ol>{links}</ol></nav>
<main>
{sections}</main>
<footer><h2>How this was made</h2><dl>{facts}</dl></footer>
</body>
</html>
"""

_STYLE = """
:root { color-scheme: light; --ink: #1c2430; --soft: #55606e; --line: #dfe3e8; --accent: #0072b2; --paper: #f6f7f9; }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 60rem; padding: 1.5rem 1.25rem 4rem; color: var(--ink); background: #fff;
  font: 1.0625rem/1.55 system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif; }
h1 { font-size: 2.1rem; line-height: 1.15; margin: 1rem 0 .5rem; }
header p { font-size: 1.2rem; color: var(--soft); max-width: 46rem; }
nav ol { columns: 17rem; padding: 1rem 1rem 1rem 2.6rem; margin: 1.5rem 0 0; background: var(--paper);
  border-radius: .5rem; }
nav li { padding: .1rem 0; break-inside: avoid; }
a { color: var(--accent); }
section { margin-top: 3rem; padding-top: 1.5rem; border-top: 1px solid var(--line); }
h2 { font-size: 1.5rem; line-height: 1.25; margin: 0 0 .25rem; }
h2 span { color: var(--accent); margin-right: .35rem; }
.question { color: var(--soft); margin: 0 0 1rem; max-width: 46rem; }
figure { margin: 1rem 0; text-align: center; }
img { display: block; margin: 0 auto; max-width: 100%; height: auto; }
.numbers { display: grid; grid-template-columns: repeat(auto-fit, minmax(8.2rem, 1fr)); gap: .75rem; margin: 1rem 0; }
.numbers div { display: flex; flex-direction: column; padding: .7rem .9rem; background: var(--paper);
  border-radius: .5rem; }
.numbers dd { margin: 0; font-size: 1.3rem; font-weight: 650; line-height: 1.2; font-variant-numeric: tabular-nums; }
.numbers dt { color: var(--soft); font-size: .875rem; line-height: 1.35; }
.finding { font-size: 1.15rem; max-width: 48rem; padding-left: 1rem; border-left: .25rem solid var(--accent); }
.method { color: var(--soft); font-size: .9rem; max-width: 48rem; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; font-size: .9rem; font-variant-numeric: tabular-nums; margin: 1rem 0; }
th, td { padding: .3rem .9rem .3rem 0; text-align: right; border-bottom: 1px solid var(--line); vertical-align: top; }
th:first-child, td.words, thead th.words { text-align: left; }
thead th { color: var(--soft); font-weight: 600; }
footer { margin-top: 4rem; padding-top: 1rem; border-top: 1px solid var(--line); font-size: .9rem; }
footer dl { display: grid; grid-template-columns: minmax(8rem, max-content) 1fr; gap: .25rem 1.25rem; }
footer dt { color: var(--soft); }
footer dd { margin: 0; overflow-wrap: anywhere; }
@media (max-width: 34rem) { body { font-size: 1rem; } h1 { font-size: 1.6rem; } }
@media print { body { max-width: none; font-size: 10.5pt; } nav { display: none; } section { break-inside: avoid-page; }
  figure, .numbers, table { break-inside: avoid; } .numbers div, nav ol { border: 1px solid var(--line); } }
"""
