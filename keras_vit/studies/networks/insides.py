"""How networks do it: the steps of a comparison that look inside. Each turns a Study to a Section, or to None.

None is what a step gives where no network of the study has what it measures.
"""

import numpy as np

from keras_vit.analysis.attention import attention, methods
from keras_vit.analysis.cells import layers_with_cells
from keras_vit.analysis.distance import attention_distance, uniform_attention_distance
from keras_vit.analysis.receptive_field import effective_receptive_field, field_share
from keras_vit.analysis.resizing import resize_maps
from keras_vit.pictures.cells import field_picture
from keras_vit.pictures.charts import gallery_picture
from keras_vit.pictures.measures import distance_picture
from keras_vit.studies.networks.study import Study
from keras_vit.studies.report import Picture, Section, Table
from keras_vit.studies.wording import listed, ordered, percent, signed

SHOWN = 8  # images whose maps are drawn


def looking(study: Study) -> Section:
    """Shows where the networks look, by attention and by hiding."""
    chosen = study.examples(min(48, len(study.images)))
    images, first = study.images[chosen], slice(0, SHOWN)
    rows: list[tuple] = [("image", study.pixels[chosen][first], None)]
    rolled, agreeing = {}, {}
    for each in study.candidates:
        hidden = attention(each.model, images, "occlusion")
        if "rollout" in methods(each.model):
            rolled[each.name] = attention(each.model, images, "rollout")
            agreeing[each.name] = _agreement(rolled[each.name], hidden)
            rows.append((f"{each.name}:\nattention", study.pixels[chosen][first], rolled[each.name][first]))
        rows.append((f"{each.name}:\nhiding", study.pixels[chosen][first], np.maximum(hidden, 0)[first]))
    rows[1:] = sorted(rows[1:], key=lambda row: row[0].endswith("hiding"))
    path = study.folder / "looking.png"
    gallery_picture(path, rows, [study.class_names[study.labels[i]] for i in chosen[first]])
    held = {name: _held_by_quarter(maps) for name, maps in rolled.items()}
    numbers = {f"{name}: attention on the strongest quarter of the cells": percent(held[name]) for name in held}
    numbers |= {f"{name}: rank correlation of attention and hiding": signed(agreeing[name]) for name in held}
    if held:
        finding = " ".join(
            f"{name} puts {percent(held[name])} of its attention on a quarter of the cells (even would be 25 %), and "
            f"attention goes along with what hiding a cell costs to a rank correlation of {signed(agreeing[name])}."
            for name in held
        )
    else:
        finding = "None of these networks has attention; shown is what hiding a cell costs each of them."
    return Section(
        title="Where they look",
        question="Which parts of an image count?",
        pictures=(Picture(path, "Test images, and over them maps of attention and of what hiding a cell costs"),),
        numbers=numbers,
        finding=finding,
        method="Attention is rolled out through all blocks to what the head reads (Abnar and Zuidema 2020). Hiding "
        "paints a cell grey and takes by how much the probability of the class falls (Zeiler and Fergus 2014). Each "
        f"map has a scale of its own. Numbers are means over {len(images)} test images.",
        measured={"quarter": held, "correlation": agreeing},
    )


def distances(study: Study) -> Section | None:
    """Measures how far the heads of attention look."""
    images = study.images[:200]
    found, uniform, pictures = {}, {}, []
    for each in study.candidates:
        if "rollout" not in methods(each.model):
            continue
        found[each.name] = attention_distance(each.model, images)
        uniform[each.name] = uniform_attention_distance(each.model, images)
        path = study.folder / f"distances_{each.name}.png"
        distance_picture(path, found[each.name], uniform[each.name], title=each.name)
        pictures.append(Picture(path, f"Mean attention distance of each head of {each.name}, block by block"))
    if not found:
        return None
    numbers: dict[str, str] = {}
    said = []
    for name, blocks in found.items():
        means = [float(heads.mean()) for heads in blocks.values()]
        even = float(np.mean(list(uniform[name].values())))
        shortest, farthest = (pick(float(pick(heads)) for heads in blocks.values()) for pick in (min, max))
        numbers |= {f"{name}, first block": f"{means[0]:.1f} px", f"{name}, last block": f"{means[-1]:.1f} px"}
        said.append(
            f"The heads of {name} look {shortest:.1f} to {farthest:.1f} px far, {means[0]:.1f} px in mean in the first "
            f"block and {means[-1]:.1f} px in the last; looking everywhere alike would be {even:.1f} px."
        )
    return Section(
        title="How far attention reaches",
        question="Do heads look at neighbours, as a convolution must, or across the whole image?",
        pictures=tuple(pictures),
        numbers=numbers,
        finding=" ".join(said),
        method="Mean distance between a cell and what it attends to, weighted by attention (Dosovitskiy et al. 2021; "
        f"Raghu et al. 2021), over {len(images)} test images of {study.images.shape[1]} px; attention on the class "
        "token counts as no distance.",
        measured={name: {tap: heads.tolist() for tap, heads in blocks.items()} for name, blocks in found.items()},
    )


def receptive_fields(study: Study) -> Section | None:
    """Measures how much of the image a cell depends on, in the first block and in the last."""
    fields: dict[str, np.ndarray] = {}
    shares: dict[str, list[float]] = {}
    for each in study.candidates:
        names = _with_several_cells(each.model)
        if not names:
            continue
        ends = list(dict.fromkeys((names[0], names[-1])))
        found = effective_receptive_field(each.model, study.images[:32], ends)
        fields |= {f"{each.name}: {name}": field for name, field in found.items()}
        shares[each.name] = [field_share(found[name]) for name in ends]
    if not fields:
        return None
    path = study.folder / "receptive_fields.png"
    field_picture(path, fields, {name: field_share(field) for name, field in fields.items()})
    last = {name: [found[-1]] for name, found in shares.items()}
    starts = listed(f"{percent(found[0])} ({name})" for name, found in shares.items())
    widest, narrowest = ordered(last)[0], ordered(last)[-1]
    rows = [(name, percent(found[0]), percent(found[-1])) for name, found in shares.items()]
    return Section(
        title="What a cell sees",
        question="How much of the image moves what a cell in the middle computes?",
        pictures=(
            Picture(path, "For each network the gradient of the middle cell on the image, first and last block"),
        ),
        numbers={f"{name}: pixels with half of the gradient": percent(mean) for name, mean in ordered(last)},
        finding=f"In the last block half of the gradient lies in {percent(widest[1])} of the pixels for {widest[0]} "
        f"and in {percent(narrowest[1])} for {narrowest[0]}; in the first in {starts}.",
        table=Table(("pixels that hold half of the gradient", "first block", "last block"), tuple(rows)),
        method="Effective receptive field (Luo et al. 2016) of the cell in the middle, in mean over 32 test images and "
        "16 channels drawn for each. A network that is one cell from the start has none.",
        measured=shares,
    )


def _agreement(maps, others):
    """Returns the rank correlation (Spearman 1904) of maps of cells with others on them, the mean over images."""
    others = resize_maps(others, maps.shape[1:])
    ranks = [each.reshape(len(each), -1).argsort(axis=1).argsort(axis=1).astype("float64") for each in (maps, others)]
    one, other = (each - each.mean(axis=1, keepdims=True) for each in ranks)
    return float(((one * other).sum(axis=1) / np.sqrt((one**2).sum(axis=1) * (other**2).sum(axis=1))).mean())


def _held_by_quarter(maps):
    flat = np.sort(maps.reshape(len(maps), -1), axis=1)[:, ::-1]
    count = max(1, flat.shape[1] // 4)
    return float((flat[:, :count].sum(axis=1) / flat.sum(axis=1)).mean())


def _with_several_cells(model):
    """Returns the blocks of `model`, or its stages where it has none, that give a map of several cells or tokens."""
    shapes = {name: model.get_layer(name).output.shape for name in layers_with_cells(model)}
    several = [name for name, shape in shapes.items() if len(shape) == 3 or shape[1] * shape[2] > 1]
    return [name for name in several if "block_" in name] or [name for name in several if name.startswith("stage_")]
