"""Counts all models into keras_vit/facts.csv, and writes the tables of README.md and docs/zoo.md: `make tables`.

What is written into a page stands between the lines <!-- zoo --> and <!-- /zoo -->; everything around it is left alone.
"""

import csv
import hashlib
import importlib
import io
import re
from pathlib import Path

from keras_vit import registry
from keras_vit.facts import TABLE, count, facts

ROOT = Path(__file__).parent.parent
_BETWEEN = re.compile(r"(<!-- zoo -->\n).*?(<!-- /zoo -->)", re.DOTALL)


def counted(names):
    """Returns facts.csv of the models called `names`, which are built for it."""
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(("model", "parameters", "macs", "image_size", "config"))
    for name in names:
        parameters, macs, size = count(name)
        writer.writerow((name, parameters, macs, "x".join(map(str, size or ())), fingerprint(name)))
    return file.getvalue()


def fingerprint(name):
    """Returns what shows that a row was counted before the configuration of the model called `name` was changed."""
    return hashlib.sha256(repr(registry.resolve(name)[1]).encode()).hexdigest()[:12]


def families():
    """Returns the table of families in Markdown, each with its models and the span of their weights."""
    lines = ["| family | models | parameters | |", "|---|---|---|---|"]
    for name in _own_families():
        found = registry.family(name)
        names = [registry.join(name, row) for row in found.variants]
        counts = sorted(facts(each).parameters for each in names)
        span = " – ".join(dict.fromkeys((millions(counts[0]), millions(counts[-1]))))
        what = importlib.import_module(found.module).__doc__.partition("\n")[0].rstrip(".")
        lines.append(f"| {name} | {len(names)}: {_listed(names)} | {span} | {what} |")
    return "\n".join(lines) + "\n"


def models():
    """Returns the table of all models in Markdown."""
    lines = ["| model | parameters | GMACs | image | published checkpoints (top-1) |", "|---|---:|---:|---:|---|"]
    for row in map(facts, own_models()):
        tags = ", ".join(f"{each.tag} ({each.top1:.1f} %)" if each.top1 else each.tag for each in row.checkpoints)
        lines.append(f"| `{row.name}` | {row.parameters:,} | {row.gmacs} | {row.size} | {tags} |")
    return "\n".join(lines) + "\n"


PAGES = {"README.md": families, "docs/zoo.md": models}


def page(path):
    """Returns the text that the page at `path`, below the root of the repository, should have."""
    text = (ROOT / path).read_text(encoding="utf-8")
    if not _BETWEEN.search(text):
        raise ValueError(f"{path} has no lines <!-- zoo --> and <!-- /zoo --> to write between")
    return _BETWEEN.sub(lambda match: match[1] + PAGES[path]() + match[2], text)


def own_models():
    """Returns the sorted names of the models that come with keras_vit, whatever plug-ins are installed."""
    return sorted(registry.join(start, row) for start in _own_families() for row in registry.family(start).variants)


def millions(count):
    """Returns `count` in words of three digits: 61.7 k, 5.72 M, 1.84 G."""
    for unit, size in (("G", 1e9), ("M", 1e6), ("k", 1e3)):
        if count >= size:
            return f"{count / size:.3g} {unit}"
    return str(count)


def _own_families():
    return [name for name in registry.list_families() if registry.offer_of(name).module.startswith("keras_vit.zoo.")]


def _listed(names):
    short = [f"`{name}`" for name in names]
    return ", ".join(short if len(short) <= 6 else [*short[:3], "…", *short[-2:]])


if __name__ == "__main__":
    TABLE.write_text(counted(own_models()), encoding="utf-8")
    for path in PAGES:
        (ROOT / path).write_text(page(path), encoding="utf-8")
