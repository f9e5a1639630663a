"""Writes the tables of models into README.md and docs/zoo.md: `python -m keras_vit.tables --write`.

What is written stands between the lines <!-- zoo --> and <!-- /zoo -->; everything around it is left alone.
"""

import argparse
import functools
import importlib
import re
from pathlib import Path
from typing import NamedTuple

from keras_vit import registry
from keras_vit.counting import count_both
from keras_vit.weights import published

ROOT = Path(__file__).parent.parent
_BETWEEN = re.compile(r"(<!-- zoo -->\n).*?(<!-- /zoo -->)", re.DOTALL)


def families():
    """Returns the table of families in Markdown, each with its models and the span of their weights."""
    lines = ["| family | models | parameters | |", "|---|---|---|---|"]
    for name in registry.list_families():
        found = registry.family(name)
        names = [registry.join(name, row) for row in found.variants]
        counts = sorted(_counts(each)[0] for each in names)
        span = " – ".join(dict.fromkeys((millions(counts[0]), millions(counts[-1]))))
        what = importlib.import_module(found.module).__doc__.partition("\n")[0].rstrip(".")
        lines.append(f"| {name} | {len(names)}: {_listed(names)} | {span} | {what} |")
    return "\n".join(lines) + "\n"


class Facts(NamedTuple):
    """A model's row: what is said of it, each as it is printed."""

    name: str
    parameters: str
    gmacs: str
    image: str
    checkpoints: list[str]


def facts(name):
    """Returns the Facts of the model called `name`; a model of any size has its GMACs at 224 pixels."""
    _, config = registry.resolve(name)
    tags = [f"{tag} ({each.top1:.1f} %)" if each.top1 else tag for tag, each in published(name).items()]
    parameters, macs = _counts(name)
    return Facts(name, f"{parameters:,}", f"{macs / 1e9:.3g}", _size(config.image_size), tags)


@functools.cache
def _counts(name):
    _, config = registry.resolve(name)
    return count_both(name, **({"image_size": 224} if config.image_size is None else {}))


def models():
    """Returns the table of all models in Markdown."""
    lines = ["| model | parameters | GMACs | image | published checkpoints (top-1) |", "|---|---:|---:|---:|---|"]
    for name in registry.list_models():
        row = facts(name)
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


def _size(size):
    return "any" if size is None else "×".join(map(str, (size, size) if isinstance(size, int) else size))


def _listed(names):
    short = [f"`{name}`" for name in names]
    return ", ".join(short if len(short) <= 6 else [*short[:3], "…", *short[-2:]])


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--write", action="store_true", help="write the pages instead of printing their tables")
    write = parser.parse_args().write
    for path, table in PAGES.items():
        if write:
            (ROOT / path).write_text(page(path), encoding="utf-8")
        else:
            print(f"{path}\n{table()}")


if __name__ == "__main__":
    main()
