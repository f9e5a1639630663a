"""Writes the tables of models into README.md and docs/zoo.md of this checkout: `make tables`.

What is written stands between the lines <!-- zoo --> and <!-- /zoo -->; everything around it is left alone.
"""

import functools
import importlib
import re
from pathlib import Path

from keras_vit import registry
from keras_vit.facts import facts

ROOT = Path(__file__).parent.parent
_BETWEEN = re.compile(r"(<!-- zoo -->\n).*?(<!-- /zoo -->)", re.DOTALL)
_facts = functools.cache(facts)  # both tables count every model


def families():
    """Returns the table of families in Markdown, each with its models and the span of their weights."""
    lines = ["| family | models | parameters | |", "|---|---|---|---|"]
    for name in registry.list_families():
        found = registry.family(name)
        names = [registry.join(name, row) for row in found.variants]
        counts = sorted(int(_facts(each).parameters.replace(",", "")) for each in names)
        span = " – ".join(dict.fromkeys((millions(counts[0]), millions(counts[-1]))))
        what = importlib.import_module(found.module).__doc__.partition("\n")[0].rstrip(".")
        lines.append(f"| {name} | {len(names)}: {_listed(names)} | {span} | {what} |")
    return "\n".join(lines) + "\n"


def models():
    """Returns the table of all models in Markdown."""
    lines = ["| model | parameters | GMACs | image | published checkpoints (top-1) |", "|---|---:|---:|---:|---|"]
    for name in registry.list_models():
        row = _facts(name)
        tags = ", ".join(row.checkpoints)
        lines.append(f"| `{name}` | {row.parameters} | {row.gmacs} | {row.image} | {tags} |")
    return "\n".join(lines) + "\n"


PAGES = {"README.md": families, "docs/zoo.md": models}


def page(path):
    """Returns the text that the page at `path`, below the root of the repository, should have."""
    text = (ROOT / path).read_text(encoding="utf-8")
    if not _BETWEEN.search(text):
        raise ValueError(f"{path} has no lines <!-- zoo --> and <!-- /zoo --> to write between")
    return _BETWEEN.sub(lambda match: match[1] + PAGES[path]() + match[2], text)


def millions(count):
    """Returns `count` in words of three digits: 61.7 k, 5.72 M, 1.84 G."""
    for unit, size in (("G", 1e9), ("M", 1e6), ("k", 1e3)):
        if count >= size:
            return f"{count / size:.3g} {unit}"
    return str(count)


def _listed(names):
    short = [f"`{name}`" for name in names]
    return ", ".join(short if len(short) <= 6 else [*short[:3], "…", *short[-2:]])


if __name__ == "__main__":
    for path in PAGES:
        (ROOT / path).write_text(page(path), encoding="utf-8")
