"""Describes one model of the zoo: its size, its options, its published checkpoints.

keras-vit info vit-b16
"""

import dataclasses
import functools
from typing import Annotated

import tyro
from rich.console import Console
from rich.table import Table
from rich.text import Text

from keras_vit import checked, cli, registry


@checked.options
class Options:
    """Which model to describe."""

    name: tyro.conf.Positional[Annotated[str, tyro.conf.arg(metavar="NAME")]] = tyro.MISSING
    """such as vit-b16"""


def describe(options):
    """Prints what is known of the model called `options.name`; ZooError for an unknown name."""
    _, config = registry.resolve(options.name)
    from keras_vit.facts import facts  # loads TensorFlow, which takes seconds
    from keras_vit.weights import published

    console = Console()
    known = facts(options.name)
    console.print(f"[bold]{options.name}[/]: {known.parameters} parameters, {known.gmacs} GMACs at {known.image}")
    table = Table("option", "value", title="options of build", title_justify="left")
    for field in dataclasses.fields(config):
        table.add_row(field.name, Text(str(getattr(config, field.name))))  # whose brackets are no markup
    console.print(table)
    checkpoints = Table("weights=", "top-1", "at", "classes", "licence", "from", title="published checkpoints")
    checkpoints.title_justify = "left"
    for each in published(options.name).values():
        top1, size = (f"{each.top1:.1f} %", f"{each.top1_size} px") if each.top1 else ("–", "–")
        checkpoints.add_row(each.tag, top1, size, str(each.classes), each.licence, each.repository)
    console.print(checkpoints if checkpoints.rows else "no published checkpoint is known")


main = functools.partial(cli.run, describe, {"plain": Options}, __doc__)

if __name__ == "__main__":
    main()
