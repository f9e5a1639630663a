"""Lists the models of the zoo with parameters, GMACs and published checkpoints, a line for each checkpoint.

keras-vit list vit
keras-vit list --max-parameters 30M --licence apache-2.0 --sort top1

In a pipe the lines are values between tabs, under a line of their names.
"""

import functools
import math
import os
import re
import sys
from collections.abc import Iterable
from typing import Annotated, Literal

import tyro
from rich import box
from rich.console import Console
from rich.table import Table

from keras_vit import checked, cli, facts, registry
from keras_vit.nested import did_you_mean

COLUMNS = ("model", "weights", "top-1 %", "at px", "licence", "parameters", "GMACs", "image")
_RIGHT = {"top-1 %", "at px", "parameters", "GMACs", "image"}
_UNITS = {"": 1, "K": 1e3, "M": 1e6, "G": 1e9, "B": 1e9}


@checked.options
class Options:
    """Which models to list, and in which order."""

    pattern: tyro.conf.Positional[Annotated[str, tyro.conf.arg(metavar="PATTERN")]] = "*"
    """a family such as vit, or a wildcard such as 'vit-*'"""
    sort: Literal["name", "top1", "parameters", "gmacs"] = "name"
    """top1 begins with the best, parameters and gmacs with the smallest"""
    max_parameters: str | None = None
    """such as 30M"""
    max_gmacs: float | None = None
    """billions of multiply-accumulates an image"""
    min_top1: float | None = None
    """checkpoints of at least this accuracy on ImageNet-1k, in percent"""
    licence: str | None = None
    """checkpoints of this licence, such as apache-2.0"""
    weights: bool = False
    """only models with a published checkpoint"""

    def __post_init__(self):
        if self.max_parameters is not None:
            size(self.max_parameters)
        checked.above_zero(self, "max_gmacs")
        checked.above_zero(self, "min_top1", most=100)


def list_models(options):
    """Prints the models that `options` choose; ZooError where there is none."""
    names = facts.matching(options.pattern)
    rows = selected(_facts(names), options)
    if not rows:
        raise registry.ZooError(f"none of the {len(names)} models that match {options.pattern!r} is within the limits")
    show(rows, Console())


def selected(rows: Iterable[facts.Facts], options: Options) -> list[facts.Facts]:
    """Returns the Facts of the models that `options` choose, with the checkpoints that they choose, sorted.

    Raises ZooError for a licence that none of their checkpoints has.
    """
    rows = list(rows)
    known = sorted({each.licence for row in rows for each in row.checkpoints})
    if options.licence is not None and options.licence not in known:
        hint = did_you_mean(options.licence, known)
        raise registry.ZooError(f"no checkpoint is of licence {options.licence!r}{hint}; some are {', '.join(known)}")
    rows = [row._replace(checkpoints=tuple(each for each in row.checkpoints if _fits(each, options))) for row in rows]
    if options.weights or options.licence is not None or options.min_top1 is not None:
        rows = [row for row in rows if row.checkpoints]
    most = math.inf if options.max_parameters is None else size(options.max_parameters)
    gmacs = math.inf if options.max_gmacs is None else options.max_gmacs
    rows = [row for row in rows if row.parameters <= most and row.macs <= gmacs * 1e9]
    return sorted(rows, key=_ORDERS[options.sort])


def size(text: str) -> float:
    """Returns the number that `text`, such as "30M", "86.6 M" or "1.2G", says; ValueError for another text."""
    found = re.fullmatch(r"(\d+(?:\.\d+)?) ?([kKMmGgBb]?)", text.replace(",", ""))
    if not found:
        raise ValueError(f"max_parameters is a number such as 30M or 1.2G, not {text!r}")
    return float(found[1]) * _UNITS[found[2].upper()]


def show(rows: list[facts.Facts], console: Console) -> None:
    """Prints `rows` as a table where `console` is a terminal that has room for it, else as lines that are never cut."""
    if not console.is_terminal:
        _write_tabs(rows, console)
        return
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for column in COLUMNS:
        table.add_column(column, justify="right" if column in _RIGHT else "left", no_wrap=True)
    for row in rows:
        first, *others = _cells(row, f"{row.parameters:,}")
        table.add_row(*first)
        for each in others:  # what is the model's own stands once
            table.add_row("", *each[1:5])
    wide = console.options.update(max_width=10_000)
    if console.measure(table, options=wide).maximum <= console.width:
        console.print(table)
        return
    for row in rows:
        _print_narrow(row, console)


def _facts(names):
    """Returns the Facts of the models called `names`, saying which have to be counted for it."""
    if new := [name for name in names if not facts.is_counted(name)]:
        print(f"counting the models of plug-ins, which takes a while: {', '.join(new)}", file=sys.stderr)
    return facts.facts_of(names)


def _fits(checkpoint, options):
    top1 = checkpoint.top1 or 0.0
    return (options.licence in (None, checkpoint.licence)) and top1 >= (options.min_top1 or 0.0)


def _best(row):
    return max((each.top1 or 0.0 for each in row.checkpoints), default=0.0)


_ORDERS = {
    "name": lambda row: row.name,
    "top1": lambda row: (-_best(row), row.name),
    "parameters": lambda row: (row.parameters, row.name),
    "gmacs": lambda row: (row.macs, row.name),
}


def _cells(row, parameters):
    """Returns the lines of a model, one for each checkpoint or a single one, as texts in the order of COLUMNS."""
    own = (parameters, row.gmacs, row.size)
    lines = [
        (
            row.name,
            each.tag,
            *((f"{each.top1:.1f}", str(each.top1_size)) if each.top1 else ("", "")),
            each.licence,
            *own,
        )
        for each in row.checkpoints
    ]
    return lines or [(row.name, "", "", "", "", *own)]


def _write_tabs(rows, console):
    lines = [COLUMNS, *(line for row in rows for line in _cells(row, str(row.parameters)))]
    try:
        console.file.write("".join("\t".join(line) + "\n" for line in lines))
        console.file.flush()
    except BrokenPipeError:  # the reader, such as head, has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _print_narrow(row, console):
    """Prints a model on a line and each checkpoint on one below it; the terminal may break lines, not cut them."""
    plain = functools.partial(console.print, soft_wrap=True, markup=False, highlight=False)
    plain(row.name, style="bold")
    plain(f"  {row.parameters:,} parameters, {row.gmacs} GMACs, {row.size}")
    for each in row.checkpoints:
        top1 = f" {each.top1:.1f} % at {each.top1_size} px" if each.top1 else ""
        plain(f"  {each.tag}\n   {top1} {each.licence}")


main = functools.partial(cli.run, list_models, {"plain": Options}, __doc__)

if __name__ == "__main__":
    main()
