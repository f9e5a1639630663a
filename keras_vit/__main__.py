"""The zoo from a terminal: `python -m keras_vit list 'vit-*'` and `python -m keras_vit info vit-b16`."""

import argparse
import dataclasses
import sys

from rich.console import Console
from rich.progress import track
from rich.table import Table

from keras_vit import registry

console = Console()


def list_command(pattern):
    """Prints a table of the models that match the wildcard `pattern`."""
    names = registry.list_models(pattern)
    if not names:
        raise registry.ZooError(f"no model matches {pattern!r}; the families are {', '.join(registry.list_families())}")
    from keras_vit.facts import facts

    shown = [facts(name) for name in track(names, "counting", transient=True, console=console)]
    table = Table("model", "parameters", "GMACs", "image", "checkpoints")
    for column in table.columns[1:4]:
        column.justify = "right"
    for each in shown:
        table.add_row(each.name, each.parameters, each.gmacs, each.image, "\n".join(each.checkpoints) or "–")
    console.print(table)


def info_command(name):
    """Prints what is known of one model: its size, its options, its published checkpoints."""
    _, config = registry.resolve(name)
    from keras_vit.facts import facts
    from keras_vit.weights import published

    known = facts(name)
    console.print(f"[bold]{name}[/]: {known.parameters} parameters, {known.gmacs} GMACs at {known.image}")
    options = Table("option", "value", title="options of build", title_justify="left")
    for field in dataclasses.fields(config):
        options.add_row(field.name, str(getattr(config, field.name)))
    console.print(options)
    checkpoints = Table("weights=", "top-1", "at", "classes", "licence", "from", title="published checkpoints")
    checkpoints.title_justify = "left"
    for each in published(name).values():
        top1, size = (f"{each.top1:.1f} %", f"{each.top1_size} px") if each.top1 else ("–", "–")
        checkpoints.add_row(each.tag, top1, size, str(each.classes), each.licence, each.repository)
    console.print(checkpoints if checkpoints.rows else "no published checkpoint is known")


def main(arguments=None):
    """Runs a command; a name that isn't known is a sentence on stderr and exit status 2."""
    parser = argparse.ArgumentParser(prog="python -m keras_vit", description=__doc__.partition(":")[0])
    commands = parser.add_subparsers(dest="command", required=True)
    listing = commands.add_parser("list", help="models with parameters, GMACs and published checkpoints")
    listing.add_argument("pattern", nargs="?", default="*", help="wildcard, such as 'vit-*'")
    commands.add_parser("info", help="one model in detail").add_argument("name", help="such as vit-b16")
    given = parser.parse_args(arguments)
    try:
        list_command(given.pattern) if given.command == "list" else info_command(given.name)
    except (ValueError, ImportError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
