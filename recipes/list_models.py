"""Lists the models of the zoo that match a pattern, with parameters, GMACs and published checkpoints.

keras-vit list 'vit-*'
"""

import functools
from typing import Annotated

import tyro
from rich.console import Console
from rich.progress import track
from rich.table import Table

from keras_vit import checked, cli, registry


@checked.options
class Options:
    """Which models to list."""

    pattern: tyro.conf.Positional[Annotated[str, tyro.conf.arg(metavar="PATTERN")]] = "*"
    """wildcard, such as 'vit-*'"""


def list_models(options):
    """Prints a table of the models that match `options.pattern`; ZooError where none does."""
    names = registry.list_models(options.pattern)
    if not names:
        raise registry.ZooError(
            f"no model matches {options.pattern!r}; the families are {', '.join(registry.list_families())}"
        )
    from keras_vit.facts import facts  # loads TensorFlow, which takes seconds

    console = Console()
    shown = [facts(name) for name in track(names, "counting", transient=True, console=console)]
    table = Table("model", "parameters", "GMACs", "image", "checkpoints")
    for column in table.columns[1:4]:
        column.justify = "right"
    for each in shown:
        table.add_row(each.name, each.parameters, each.gmacs, each.image, "\n".join(each.checkpoints) or "–")
    console.print(table)


main = functools.partial(cli.run, list_models, {"plain": Options}, __doc__)

if __name__ == "__main__":
    main()
