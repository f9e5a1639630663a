"""Who offers which family: the files of our own zoo and the entry points of installed plug-ins."""

import importlib.metadata
import importlib.util
import pkgutil
from typing import NamedTuple

GROUP = "keras_vit.zoo"  # of entry points, and the package of the built-in families


class Offer(NamedTuple):
    """A module that claims to hold a family, and the distribution that it came with."""

    module: str
    distribution: str

    def __str__(self):
        return f"{self.module} ({self.distribution})"


def installed() -> dict[str, list[Offer]]:
    """Returns {family name: its Offers}, importing none of the modules."""
    spec = importlib.util.find_spec(GROUP)
    if spec is None:
        raise ImportError("keras_vit.zoo is not installed; in a checkout type: pip install -e .")
    offers = {}
    for found in pkgutil.iter_modules(spec.submodule_search_locations):
        offers[found.name] = [Offer(f"{GROUP}.{found.name}", "keras-vit-zoo")]
    for entry in importlib.metadata.entry_points(group=GROUP):
        distribution = f"{entry.dist.name} {entry.dist.version}" if entry.dist else "unknown distribution"
        offers.setdefault(entry.name, []).append(Offer(entry.module, distribution))
    return offers
