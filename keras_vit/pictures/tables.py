"""Tables of what analysis measures, as CSV with all digits."""

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from keras_vit.files import write_csv

if TYPE_CHECKING:
    from keras_vit.analysis.localise import Localisation
    from keras_vit.analysis.similarity import Similarity
    from keras_vit.analysis.skip import SkipRatio


def save_distances(path: str | os.PathLike, distances: Mapping[str, np.ndarray], uniform: Mapping[str, float]) -> None:
    """Writes CSV to `path`, one line for each head: tap, head, distance, distance of uniform attention, in pixels."""
    rows = [(name, head, each, uniform[name]) for name, found in distances.items() for head, each in enumerate(found)]
    write_csv(path, ("attention", "head", "mean distance (px)", "of uniform attention (px)"), rows)


def save_fields(path: str | os.PathLike, fields: Mapping[str, np.ndarray]) -> None:
    """Writes CSV to `path`, one line for each layer and pixel."""
    rows = ((name, y, x, value) for name, each in fields.items() for (y, x), value in np.ndenumerate(each))
    write_csv(path, ("layer", "row (px)", "column (px)", "mean |gradient|"), rows)


def save_localisation(path: str | os.PathLike, found: "Localisation") -> None:
    """Writes CSV to `path`, one line for each token and patch; cells have a row and column, other tokens a number."""
    rows = [(found.layer, i, "", "", y, x, value) for (i, y, x), value in np.ndenumerate(found.prefix)]
    rows += [(found.layer, "", *place, value) for place, value in np.ndenumerate(found.cells)]
    header = (
        "layer",
        "token before the patches",
        "row",
        "column",
        "row of the patch",
        "column of the patch",
        "cka",
    )
    write_csv(path, header, rows)


def save_probes(path: str | os.PathLike, probes: Mapping[str, Mapping[str, float]]) -> None:
    """Writes CSV to `path`, one line for each layer of {model: what `probe` gave}."""
    rows = [(model, name, value) for model, found in probes.items() for name, value in found.items()]
    write_csv(path, ("model", "layer", "accuracy"), rows)


def save_similarity(path: str | os.PathLike, found: "Similarity") -> None:
    """Writes CSV to `path`, one line for each pair of layers; of repeats also the deviation and their number."""
    header = [f"layer of {found.models[0]}", f"layer of {found.models[1]}", "cka"]
    header += [] if found.deviations is None else ["standard deviation", "repeats"]
    lines = []
    for (i, j), value in np.ndenumerate(found.values):
        more = [] if found.deviations is None else [found.deviations[i, j], found.repeats]
        lines.append([found.rows[i], found.columns[j], value, *more])
    write_csv(path, header, lines)


def save_skip_ratios(path: str | os.PathLike, ratios: "Mapping[str, Mapping[str, SkipRatio]]") -> None:
    """Writes CSV to `path`, one line for each token of each branch: cells by row and column, others by number."""
    rows: list[tuple] = []
    for block, branches in ratios.items():
        for branch, each in branches.items():
            rows += [(block, branch, i, "", "", value) for i, value in enumerate(each.prefix)]
            rows += [(block, branch, "", y, x, value) for (y, x), value in np.ndenumerate(each.cells)]
    write_csv(path, ("block", "branch", "token before the patches", "row", "column", "skip / branch"), rows)
