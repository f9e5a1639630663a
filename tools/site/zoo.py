"""A hook of mkdocs: the table of docs/zoo.md becomes one that docs/site/zoo.js sorts and filters, with licences."""

import csv
import html
import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
_TABLE = re.compile(r"<!-- zoo -->\n.*?<!-- /zoo -->", re.DOTALL)
_ROW = re.compile(r"^\| `([^`]+)` \| ([\d,]+) \| ([^|]+) \| ([^|]+) \|", re.MULTILINE)
HEAD = ("model", "parameters", "GMACs", "image", "top-1", "licences", "published checkpoints")


def on_page_markdown(markdown, page, **_):
    """Returns the page of the zoo with its other table, and any other page as it is."""
    if page.file.src_uri != "zoo.md":
        return markdown
    page.meta["hide"] = ["navigation", "toc"]  # the table needs the room
    (old,) = _TABLE.findall(markdown)
    return markdown.replace(old, table(models(old, checkpoints())))


def checkpoints():
    """Returns {name of a model: the rows of its published checkpoints}, from the tables beside the families."""
    found = {}
    for path in sorted((ROOT / "zoo").glob("*.csv")):
        with open(path, newline="", encoding="utf-8") as file:
            for row in csv.DictReader(file):
                found.setdefault(f"{path.stem}-{row['variant']}", []).append(row)
    return found


def models(text, published):
    """Returns [(name, family, parameters, GMACs, image, rows of checkpoints)] of the table in `text`."""
    families = sorted((path.stem for path in (ROOT / "zoo").glob("*.py")), key=len, reverse=True)
    rows = []
    for name, parameters, gmacs, image in _ROW.findall(text):
        family = next(each for each in families if re.match(rf"{each}(-|$)", name))
        rows.append((name, family, int(parameters.replace(",", "")), float(gmacs), image, published.get(name, [])))
    return rows


def table(rows):
    """Returns the HTML of the table; a cell has the number that it is sorted by."""
    head = "".join(f"<th>{each}</th>" for each in HEAD)
    body = "\n".join(row(*each) for each in rows)
    return (
        f'<div id="zoo" markdown="0">\n<table><thead><tr>{head}</tr></thead><tbody>\n{body}\n</tbody></table>\n</div>\n'
    )


def row(name, family, parameters, gmacs, image, published):
    """Returns the row of a model."""
    top = max((float(each["top1"]) for each in published if each["top1"]), default=None)
    licences = sorted({each["licence"] for each in published})
    cells = [
        f"<td><code>{name}</code></td>",
        f'<td data-value="{parameters}">{parameters:,}</td>',
        f'<td data-value="{gmacs}">{gmacs:,.6g}</td>',
        f"<td>{image}</td>",
        f'<td data-value="{-1 if top is None else top}">{"" if top is None else f"{top:.1f} %"}</td>',
        f"<td>{'<br>'.join(licences)}</td>",
        f"<td>{details(published)}</td>",
    ]
    return f'<tr data-family="{family}">{"".join(cells)}</tr>'


def details(published):
    """Returns the checkpoints of a model, folded under their number."""
    lines = []
    for each in published:
        top = f", {float(each['top1']):.1f} % at {each['top1_size']} px" if each["top1"] else ""
        head = "" if int(each["classes"]) else ", no head"
        lines.append(f"<code>{html.escape(each['tag'])}</code> {each['licence']}{top}{head}")
    return f"<details><summary>{len(lines)}</summary>{'<br>'.join(lines)}</details>" if lines else ""
