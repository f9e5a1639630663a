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
from keras_vit.studies.networks import findings
from keras_vit.studies.networks.study import Study
from keras_vit.studies.report import Picture, Section, Table
from keras_vit.studies.wording import ordered, percent, signed

SHOWN = 5  # images whose maps are drawn, evenly chosen of the classes: more would be too small to see
SIDE = 1.8  # of each, in inches


def looking(study: Study) -> Section:
    """Shows where the networks look, by attention and by hiding."""
    images = study.images[study.examples(min(48, len(study.images)))]
    agreeing, held = {}, {}
    for each in study.candidates:
        if "rollout" in methods(each.model):
            rolled = attention(each.model, images, "rollout")
            agreeing[each.name] = agreement(rolled, attention(each.model, images, "occlusion"))
            held[each.name] = _held_by_quarter(rolled)
    means = {name: float(found.mean()) for name, found in agreeing.items()}
    numbers = {f"{name}: attention on the strongest quarter of the cells": percent(held[name]) for name in held}
    numbers |= {f"{name}: rank correlation of attention and hiding": signed(means[name]) for name in held}
    return Section(
        title="Where they look",
        question="Which parts of an image count?",
        pictures=_galleries(study),
        numbers=numbers,
        finding=findings.looking(held, agreeing),
        method="Attention is rolled out through all blocks to what the head reads (Abnar and Zuidema 2020). Hiding "
        "paints a cell grey and takes by how much the probability of the class falls (Zeiler and Fergus 2014). Each "
        f"map has a scale of its own.{_meant(images) if held else ''}",
        measured={"quarter": held, "correlation": means},
    )


def _meant(images):
    return f" Numbers are means over {len(images)} test images, ± twice the standard error of the mean."


def _galleries(study):
    """Returns pictures of a few test images, below them each network's map: one of attention, one of hiding."""
    chosen = study.spread(SHOWN)
    pixels, titles = study.pixels[chosen], [study.class_names[study.labels[i]] for i in chosen]
    kinds = {"rollout": "attention", "occlusion": "what hiding a cell costs"}
    found = []
    for method, what in kinds.items():
        maps = {
            each.name: np.maximum(attention(each.model, study.images[chosen], method), 0)
            for each in study.candidates
            if method in methods(each.model)
        }
        if maps:
            path = study.folder / f"looking_{method}.png"
            rows = [("image", pixels, None), *((name, pixels, each) for name, each in maps.items())]
            gallery_picture(path, rows, titles, header=what, side=SIDE)
            found.append(Picture(path, f"Test images, and over them maps of {what}"))
    return tuple(found)


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
        if len(blocks) > 1:
            numbers |= {f"{name}, first block": f"{means[0]:.1f} px", f"{name}, last block": f"{means[-1]:.1f} px"}
        else:
            numbers[name] = f"{means[0]:.1f} px"
        said.append(findings.distances(name, blocks, uniform[name]))
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
    rows = [
        (name, percent(found[0]) if len(found) > 1 else "one block", percent(found[-1]))
        for name, found in shares.items()
    ]
    return Section(
        title="What a cell sees",
        question="How much of the image moves what a cell in the middle computes?",
        pictures=(
            Picture(path, "For each network the gradient of the middle cell on the image, first and last block"),
        ),
        numbers={f"{name}: pixels with half of the gradient": percent(mean) for name, mean in ordered(last)},
        finding=findings.fields(shares),
        table=Table(("pixels that hold half of the gradient", "first block", "last block"), tuple(rows)),
        method="Effective receptive field (Luo et al. 2016) of the cell in the middle, in mean over 32 test images and "
        "16 channels drawn for each. A network that is one cell from the start has none.",
        measured=shares,
    )


def agreement(maps: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Returns the rank correlation (Spearman 1904) of maps of cells (B, h, w) with others on them, (B,)."""
    others = resize_maps(others, maps.shape[1:])
    ranks = [each.reshape(len(each), -1).argsort(axis=1).argsort(axis=1).astype("float64") for each in (maps, others)]
    one, other = (each - each.mean(axis=1, keepdims=True) for each in ranks)
    return (one * other).sum(axis=1) / np.sqrt((one**2).sum(axis=1) * (other**2).sum(axis=1))


def _held_by_quarter(maps):
    flat = np.sort(maps.reshape(len(maps), -1), axis=1)[:, ::-1]
    count = max(1, flat.shape[1] // 4)
    return float((flat[:, :count].sum(axis=1) / flat.sum(axis=1)).mean())


def _with_several_cells(model):
    """Returns the blocks of `model`, or its stages where it has none, that give a map of several cells or tokens."""
    shapes = {name: model.get_layer(name).output.shape for name in layers_with_cells(model)}
    several = [name for name, shape in shapes.items() if len(shape) == 3 or shape[1] * shape[2] > 1]
    return [name for name in several if "block_" in name] or [name for name in several if name.startswith("stage_")]
