"""Downloads of published checkpoints, each compared with the hash that it should have."""

import hashlib
import re
from pathlib import Path

from keras_vit.published import Published
from keras_vit.weights.tensors import CheckpointError


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
