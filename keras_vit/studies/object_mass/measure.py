"""Trains models, and measures how much of their attention lies on the object before and after."""

import dataclasses
import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from keras_vit import analysis, data, files
from keras_vit.files import replacing
from keras_vit.nested import named
from keras_vit.pictures.object_mass import mask_picture, mass_picture
from keras_vit.studies.object_mass import report
from keras_vit.studies.object_mass.options import Options
from keras_vit.taps import list_taps
from keras_vit.tasks.presets import classify as presets
from keras_vit.training import options as training_options
from keras_vit.training.runs import provenance
from keras_vit.training.runs.folder import RunFolder

METHODS = ("dino", "rollout", "gradient", "gradcam")  # beside "raw" of each block
OF_A_CLASS = ("gradient", "gradcam")
BATCH = 60  # images whose attention is in memory at once
SHOWN = 8  # images in the picture of maps


@dataclasses.dataclass(frozen=True)
class HeldOut:
    """Images that no training has seen: as they are, as the model takes them, their masks and classes."""

    pictures: list
    images: np.ndarray
    masks: np.ndarray
    labels: np.ndarray


class KeepStart(keras.callbacks.Callback):
    """Writes the weights that a training begins with to `path` (.npz); one that goes on has them there."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.path = path

    def on_train_begin(self, logs=None):
        del logs
        if int(self.model.optimizer.iterations) == 0:
            files.folder(self.path.parent)
            with replacing(self.path) as partial:
                np.savez(partial, *self.model.get_weights())


def measure(options: Options, train: Callable) -> dict[str, Any]:
    """Returns what it writes to object_mass.json: the share of each kind of map on the object, by seed and mean.

    Trains one model for each seed by `train`, or takes what an earlier run trained, and measures it with its first and
    its last weights on the same held-out images. Raises ValueError for options that can't be met.
    """
    source = check(options)
    home = files.local_path(options.output)
    rows: list[dict[str, Any]] = []
    accuracies: dict[str, list[float]] = {}
    shown: Any = None
    for seed in options.seeds:
        start = home / f"start-{seed}.npz"
        chosen = training(options, seed)
        RunFolder(chosen.run.output, chosen).check_length(options.fresh)
        model = train(chosen, callbacks=[KeepStart(start)]).model
        held_out = read(source, options.images, model.input_shape[1:])
        found = {}
        for state, weights in (("untrained", initial(start)), ("trained", model.get_weights())):
            model.set_weights(weights)
            draw_head(model, seed)
            accuracies.setdefault(state, []).append(accuracy(model, held_out))
            found[state] = maps_of(model, held_out)
            rows += [{"seed": seed, "state": state, **each} for each in shares_of(found[state], held_out.masks)]
        shown = shown or (held_out, found)
    outcome = {
        "area": float(analysis.object_area(held_out.masks).mean()),
        "images": len(held_out.labels),
        "accuracy": accuracies,
        "maps": report.summary(rows, options.seeds),
        "rows": rows,
        "options": dataclasses.asdict(options),
        **provenance.machine(),
    }
    report.write(home, outcome)
    draw(home, outcome, *shown)
    report.tell(home, outcome)
    return outcome


def check(options: Options) -> data.Source:
    """Returns the opened Source; raises ValueError where an option can't be met, before any training."""
    if not options.seeds or len(set(options.seeds)) < len(options.seeds) or min(options.seeds) < 0:
        raise ValueError(f"seeds are different numbers from 0, such as 0 1 2, not {options.seeds}")
    if options.images < 2:
        raise ValueError(
            f"images is at least 2, so that one has the mask of another to compare with; not {options.images}"
        )
    return data.open_source(options.data, targets=("label", "mask"), data_dir=options.data_dir)


def training(options: Options, seed: int) -> training_options.Options:
    """Returns the Options of the training of one seed: what both have in common, and a folder of its own."""
    start = presets.plain()
    common = {name: value for name, value in dataclasses.asdict(options).items() if name in start.flat()}
    return start.replace(**common | {"seed": seed, "output": str(Path(options.output) / f"seed-{seed}")})


def read(source: data.Source, count: int, shape: tuple[int, int, int]) -> HeldOut:
    """Returns the first `count` test images as HeldOut, for a model that takes images of `shape` (H, W, C)."""
    height, width, channels = shape
    as_given = data.Preprocessing((height, width), channels)
    as_mask = data.Preprocessing((height, width), 1, mean=0.0, std=1.0)
    pictures, images, masks, labels = [], [], [], []
    for each in source.examples("test").take(count):
        pictures.append(as_given.decode(each["image"]).numpy())
        images.append(as_given.prepare(pictures[-1]))
        inside = as_mask.decode(each["mask"]) > 0
        masks.append(as_mask.prepare(255.0 * tf.cast(inside, "float32"))[..., 0] > 0.5)
        labels.append(each["label"])
    return HeldOut(pictures, np.stack(images), np.stack(masks), np.array(labels))


def initial(path: str | os.PathLike) -> list[np.ndarray]:
    """Returns the weights that KeepStart wrote."""
    try:
        with np.load(path) as file:
            return [file[f"arr_{i}"] for i in range(len(file))]
    except FileNotFoundError:
        raise ValueError(
            f"{path}, the weights that the training began with, was removed; start over with {named('fresh')}"
        ) from None


def draw_head(model: keras.Model, seed: int) -> None:
    """Draws the kernels of heads that are zero: no class has a gradient before the first step, where heads begin so."""
    for layer in model.layers:
        if isinstance(layer, keras.layers.Dense) and not np.any(layer.kernel):
            layer.kernel.assign(keras.initializers.GlorotUniform(seed)(layer.kernel.shape))


def accuracy(model: keras.Model, held_out: HeldOut) -> float:
    """Returns the share of images whose likeliest class is theirs."""
    likeliest = np.argmax(model.predict(held_out.images, batch_size=BATCH, verbose=0), axis=-1)
    return float(np.mean(likeliest == held_out.labels))


def kinds_of(model: keras.Model) -> dict[str, tuple[str, dict[str, str]]]:
    """Returns {name: (method, options)} of the maps to measure: raw attention of each block and what else it offers."""
    blocks = {f"raw {name}": ("raw", {"block": name}) for name in list_taps(model) if "attention_" in name}
    return blocks | {name: (name, {}) for name in METHODS if name in analysis.methods(model)}


def maps_of(model: keras.Model, held_out: HeldOut) -> dict[str, np.ndarray]:
    """Returns {name: maps} of each kind, (B, h, w) or (B, heads, h, w); those of a class are of the true one."""
    found = {}
    for name, (method, options) in kinds_of(model).items():
        target: dict[str, Any] = {"target": held_out.labels} if method in OF_A_CLASS else {}
        found[name] = analysis.attention(model, held_out.images, method, BATCH, **options, **target)
    return found


def shares_of(found: Mapping[str, np.ndarray], masks: np.ndarray) -> Iterator[dict[str, Any]]:
    """Yields for each kind of map its mean share on the object, and on the object of the next image."""
    for name, maps in found.items():
        here, elsewhere = (analysis.object_mass(maps, each) for each in (masks, np.roll(masks, 1, axis=0)))
        has_mass = ~np.isnan(here)
        yield {
            "map": name,
            "mass": float(here[has_mass].mean()) if has_mass.any() else float("nan"),
            "mass_elsewhere": float(elsewhere[has_mass].mean()) if has_mass.any() else float("nan"),
            "maps_without_mass": int((~has_mass).sum()),
        }


def draw(home: Path, outcome: dict[str, Any], held_out: HeldOut, found: dict[str, dict[str, np.ndarray]]) -> None:
    """Writes object_mass.png, and object_attention.png of the first seed's maps."""
    by_seed = {
        key: {name: each[key]["seeds"] for name, each in outcome["maps"].items()}
        for key in ("untrained", "trained", "trained_elsewhere")
    }
    title = (
        f"{outcome['options']['model']}, {outcome['images']} held-out images, {len(outcome['options']['seeds'])} seeds"
    )
    before, after, elsewhere = by_seed.values()
    mass_picture(home / "object_mass.png", before, after, elsewhere, outcome["area"], title)
    name = "rollout" if "rollout" in found["trained"] else next(iter(found["trained"]))
    maps = [found[state][name][:SHOWN] for state in ("untrained", "trained")]
    maps = [each.mean(axis=1) if each.ndim == 4 else each for each in maps]  # over heads, where there are any
    masks = held_out.masks[:SHOWN]
    shares = list(zip(*(analysis.object_mass(each, masks) for each in maps), strict=True))
    title = f"{name}: the first held-out images, seed {outcome['options']['seeds'][0]}"
    mask_picture(
        home / "object_attention.png", (held_out.images[:SHOWN] + 1) / 2, masks, maps[0], maps[1], shares, title
    )
