"""Fills a model that was just built from the checkpoint that its builder named."""

import logging
from pathlib import Path

from keras_vit.weights.files import CheckpointError
from keras_vit.weights.loading import load_weights
from keras_vit.weights.published import fetch, published


def start_from(model, weights):
    """Fills `model` from `weights`, the tag of a published checkpoint or a path, and returns the Report.

    A published checkpoint with another number of classes leaves the model's head as it is, with a warning
    that shows the report. The model remembers a published checkpoint as `model.published`, for export.
    """
    known = published(model.name) if isinstance(weights, str) else {}
    if weights not in known:
        if not Path(weights).exists() and isinstance(weights, str) and not Path(weights).suffix:
            raise CheckpointError(
                f"{model.name} has no published checkpoint {weights!r}; it has {', '.join(known) or 'none'}; "
                f"and there is no file of that name"
            )
        return load_weights(model, weights)
    checkpoint = known[weights]
    same = checkpoint.classes == _classes(model)
    report = load_weights(model, fetch(checkpoint), checkpoint.source, leave=() if same else ("head",))
    if report.of("left"):
        logging.getLogger("keras_vit").warning(
            "%s has %d classes, the model %d: its head is new\n%s", weights, checkpoint.classes, _classes(model), report
        )
    model.published = checkpoint
    return report


def _classes(model):
    output = model.output
    if isinstance(output, dict):
        return 0 if "map" in output else next(iter(output.values())).shape[-1]
    return output.shape[-1]
