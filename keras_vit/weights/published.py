"""The checkpoints that the world has published for a family: a table beside its module, `vit.csv` beside `vit.py`.

What stands there about a file (licence, preprocessing) is what its publisher's configuration says. `top1` is the
accuracy on ImageNet-1k's validation images in percent, at `top1_size` pixels, from timm's results-imagenet.csv.
A table may have the columns `revision`, the commit that is fetched, and `sha256`, the hash that its file must have.
"""

import csv
import hashlib
import re
import sys
from dataclasses import dataclass
from pathlib import Path

from keras_vit import registry
from keras_vit.weights.tensors import CheckpointError


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
    table = Path(sys.modules[found.module].__file__ or "").with_suffix(".csv")
    if not table.is_file():
        return {}
    with open(table, newline="", encoding="utf-8") as file:
        rows = [_parse(row) for row in csv.DictReader(file)]
    return {row.tag: row for row in rows if registry.join(found.name, row.variant) == name}


def fetch(checkpoint: Published) -> str:
    """Downloads the file of a Published unless it is in the cache, with a progress bar, and returns its path.

    A download that broke off goes on where it stopped; HF_HUB_OFFLINE=1 reads the cache alone. Raises
    CheckpointError where the file can't be had or isn't the one that the hub describes.
    """
    import huggingface_hub  # 0.3 s that only a download needs
    from huggingface_hub import errors

    where = f"{checkpoint.repository}/{checkpoint.file}"
    try:
        path = huggingface_hub.hf_hub_download(
            checkpoint.repository, checkpoint.file, revision=checkpoint.revision, library_name="keras_vit"
        )
    except (errors.LocalEntryNotFoundError, errors.OfflineModeIsEnabled) as error:
        raise CheckpointError(
            f"{where} is not in the cache and the hub can't be reached ({_first_line(error)}); "
            "download it where there is a network, and give the file's path as weights"
        ) from error
    except (errors.HfHubHTTPError, errors.HFValidationError, OSError) as error:
        raise CheckpointError(f"{where} can't be downloaded: {_first_line(error)}") from error
    _check(Path(path), where, checkpoint)
    return path


def _check(path, where, checkpoint):
    """Compares the file with its SHA-256, by which the hub's cache calls it, and with the one that the table holds."""
    stored = path.resolve()
    named = stored.name if re.fullmatch("[0-9a-f]{64}", stored.name) else None  # a small file has another kind of name
    if named is None and checkpoint.sha256 is None:
        return
    with open(stored, "rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if named is not None and found != named:
        stored.unlink()
        raise CheckpointError(f"{where} came damaged (SHA-256 {found[:12]}…, not {named[:12]}…); try again")
    if checkpoint.sha256 is not None and found != checkpoint.sha256:
        stored.unlink()
        raise CheckpointError(
            f"{where} at {checkpoint.revision!r} is not the file that the table of {checkpoint.tag} means "
            f"(SHA-256 {found[:12]}…, not {checkpoint.sha256[:12]}…)"
        )


def _first_line(error):
    return str(error).strip().partition("\n")[0] or type(error).__name__


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
