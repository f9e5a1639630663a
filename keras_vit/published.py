"""The checkpoints that the world has published for a family: a table beside its module, `vit.csv` beside `vit.py`.

What stands there about a file (licence, preprocessing) is what its publisher's configuration says. `top1` is the
accuracy on ImageNet-1k's validation images in percent, at `top1_size` pixels, from timm's results-imagenet.csv.
A table may have the columns `revision`, the commit that is fetched, and `sha256`, the hash that its file must have.
"""

import csv
import importlib.util
import re
import sys
from dataclasses import dataclass
from pathlib import Path

from keras_vit import registry


@dataclass(frozen=True, kw_only=True)
class Published:
    """A checkpoint on the Hugging Face hub, and how the images it was trained on were prepared."""

    variant: str
    tag: str
    repository: str
    file: str
    source: str  # whose names its tensors have
    licence: str
    classes: int  # 0 where it has no head
    image_size: tuple[int, int]
    mean: tuple[float, ...]  # on a scale of 0 to 1
    std: tuple[float, ...]
    interpolation: str
    crop: float  # share of the image's tighter side that was kept
    top1: float | None = None  # percent
    top1_size: int | None = None  # pixels
    revision: str = "main"  # or the commit that is meant, which nobody can change afterwards
    sha256: str | None = None  # of the file

    @property
    def preprocessing(self) -> dict:
        """The arguments of keras_vit.data.Preprocessing, as keras_vit.bundle keeps them."""
        same = {name: getattr(self, name) for name in ("image_size", "mean", "std", "interpolation", "crop")}
        return {**same, "channels": len(self.mean)}


def published(name: str) -> dict[str, Published]:
    """Returns {tag: Published} of the checkpoints known for the model called `name`, such as "vit-b16"."""
    found, _ = registry.resolve(name)
    return {row.tag: row for row in published_of(found.name) if registry.join(found.name, row.variant) == name}


def published_of(family: str) -> list[Published]:
    """Returns the checkpoints of all models of `family`, whose module needn't be imported for it."""
    file = _file_of(registry.offer_of(family).module)
    table = Path(file).with_suffix(".csv") if file else None
    if table is None or not table.is_file():
        return []
    with open(table, newline="", encoding="utf-8") as rows:
        return [_parse(row) for row in csv.DictReader(rows)]


def _file_of(module):
    """Returns the path of a module, None where it has none, as one that was typed into a notebook."""
    if module in sys.modules:
        return getattr(sys.modules[module], "__file__", None)
    spec = importlib.util.find_spec(module)
    return spec.origin if spec else None


def _parse(row):
    def numbers(text, kind):
        return tuple(kind(each) for each in re.split("[x ]", text))

    return Published(
        **{key: row[key] for key in ("variant", "tag", "repository", "file", "source", "licence", "interpolation")},
        classes=int(row["classes"]),
        image_size=numbers(row["image_size"], int),
        mean=numbers(row["mean"], float),
        std=numbers(row["std"], float),
        crop=float(row["crop"]),
        top1=float(row["top1"]) if row["top1"] else None,
        top1_size=int(row["top1_size"]) if row["top1_size"] else None,
        revision=row.get("revision") or "main",
        sha256=row.get("sha256") or None,
    )
