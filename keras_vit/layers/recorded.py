"""Layers of layers that keep what was done to their parts: freezing, quantisation, low-rank matrices."""

import functools
from collections.abc import Iterator
from typing import Any

import keras

from keras_vit import keras_internals


class Recorded(keras.layers.Layer):
    """The base of layers that have layers within them and record their plain arguments, without a get_config.

    Their parts are made anew from these arguments wherever a model is saved, cloned or made of its configuration. What
    was changed of a part since, by its public attributes and methods, would be lost there: `trainable` of a part or of
    one of its variables, `quantize` and `enable_lora`. It stands in the configuration as "parts", by the names of the
    parts such as "attention/qkv", and is done again when the layer is built.
    """

    @keras_internals.keeps_arguments(keras.layers.Layer)
    def get_config(self) -> dict[str, Any]:
        parts = dict(_changes(self))
        return {**super().get_config(), **({"parts": parts} if parts else {})}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Any:
        parts = config.get("parts", {})
        layer = super().from_config({name: value for name, value in config.items() if name != "parts"})
        if parts or not layer.trainable:
            _restore_when_built(layer, parts)
        return layer


def adapt(dense: keras.layers.Dense, rank: int, alpha: float | None = None) -> None:
    """Adds low-rank matrices to `dense`, as `enable_lora` does, that also learn after weights were loaded.

    Files hold the kernel with what the matrices add to it, and Keras sets both to 0 as it loads one. At 0 neither has a
    gradient, so here the first begins at random again.
    """
    dense.enable_lora(rank, lora_alpha=alpha)
    load = dense.load_own_variables

    def load_and_begin(store):
        first = keras.ops.convert_to_numpy(dense.lora_kernel_a)
        load(store)
        dense.lora_kernel_a.assign(first)

    dense.load_own_variables = load_and_begin


def plain(layer: keras.layers.Layer) -> keras.layers.Layer:
    """Returns a new layer of the arguments of `layer`, of which nothing is frozen, quantised or adapted.

    It is a `clone_function` of keras.models.clone_model.
    """
    config = {name: value for name, value in layer.get_config().items() if name != "parts"}
    if "trainable" in config:
        config["trainable"] = True
    return type(layer).from_config(config)


def _changes(layer: keras.layers.Layer, path: str = "", within: bool | None = None) -> Iterator[tuple[str, dict]]:
    """Yields (path, what was changed) of `layer` and of each part of it; `within` is the flag of what holds it."""
    changed: dict[str, Any] = {}
    if path and layer.quantization_mode is not None:
        config = keras.saving.serialize_keras_object(layer.quantization_config)
        changed |= {"quantized": layer.quantization_mode, "quantization_config": config}
    if path and getattr(layer, "lora_enabled", False):
        changed |= {"lora_rank": layer.lora_rank, "lora_alpha": layer.lora_alpha}
    if path and layer.trainable != within:
        changed["trainable"] = layer.trainable
    flags = {each.name: each.trainable for each in keras_internals.learned_variables(layer)}
    if differing := {name: flag for name, flag in flags.items() if flag != layer.trainable}:
        changed["variables"] = differing
    if changed:
        yield path, changed
    for part in keras_internals.sublayers(layer):
        yield from _changes(part, f"{path}/{part.name}".lstrip("/"), layer.trainable)


def _restore_when_built(layer: keras.layers.Layer, parts: dict[str, dict]) -> None:
    build = layer.build

    @functools.wraps(build)
    def build_and_restore(*args, **kwargs):
        build(*args, **kwargs)
        for part in keras_internals.sublayers(layer):  # which are new, and know nothing of the flag of `layer`
            part.trainable = layer.trainable
        for path in sorted(parts, key=lambda path: path.count("/")):  # what holds a part first: its flag is the part's
            _restore(_part(layer, path), parts[path])

    layer.build = build_and_restore


def _restore(part: keras.layers.Layer, changed: dict[str, Any]) -> None:
    if "quantized" in changed:
        config = keras.saving.deserialize_keras_object(changed["quantization_config"])
        part.quantize(**({"mode": changed["quantized"]} if config is None else {"config": config}))
    if "lora_rank" in changed:
        adapt(part, changed["lora_rank"], changed["lora_alpha"])
    if "trainable" in changed:
        part.trainable = changed["trainable"]
    for variable in keras_internals.learned_variables(part):
        variable.trainable = changed.get("variables", {}).get(variable.name, variable.trainable)


def _part(layer: keras.layers.Layer, path: str) -> keras.layers.Layer:
    """Returns the part of `layer` at `path`; ValueError where it has none of that name."""
    found = layer
    for name in filter(None, path.split("/")):
        names = {part.name: part for part in keras_internals.sublayers(found)}
        if name not in names:
            raise ValueError(
                f"{layer.name} of the file has {path!r}, which was frozen, quantised or adapted; {found.name} has "
                f"{', '.join(names) or 'nothing within it'} here: give the layers within a layer names that stay"
            )
        found = names[name]
    return found
