"""What networks bear: the steps of a comparison that damage the images. Each turns a Study to a Section."""

import dataclasses

import numpy as np

from keras_vit.data.corruptions import CORRUPTIONS, corrupt
from keras_vit.pictures.charts import Panel, gallery_picture, lines_picture
from keras_vit.studies.networks import findings
from keras_vit.studies.networks.study import Study
from keras_vit.studies.report import Picture, Section, Table
from keras_vit.studies.wording import ordered, percent, two_errors

SIDE = 1.8  # of an image in a gallery, in inches
_WORDS = ("noise", "blur", "loss of contrast")


def corruptions(study: Study) -> Section:
    """Compares what noise, blur and lost contrast do."""
    kinds = ("noise", "blur", "contrast")
    found = {kind: damaged(study, kind) for kind in kinds}
    path, shown = study.folder / "corruptions.png", study.folder / "corrupted.png"
    lines_picture(path, [_panel(study, kind, found[kind]) for kind in kinds], "accuracy")
    one = study.examples(1)
    rows = [(kind, [corrupt(study.pixels[one], kind, level)[0] for level in _levels(kind)], None) for kind in kinds]
    gallery_picture(shown, rows, ("none", "1", "2", "3", "4"), header="level of the damage", side=SIDE)
    means = {name: float(np.mean([_mean(found[kind][name]) for kind in kinds])) for name in found["noise"]}
    losses = {name: [found["noise"][name][0][1][0] - mean] for name, mean in means.items()}
    count = len(study.labels)
    margin = _margin(found["noise"], losses, count)
    each = [
        f"Under the most {what}, {findings.severest(found[kind], count)}."
        for kind, what in zip(kinds, _WORDS, strict=True)
    ]
    return Section(
        title="Corrupted images",
        question="How much of its accuracy does a network keep on images unlike those it learned from?",
        pictures=(
            Picture(shown, "One test image under rising noise, blur and loss of contrast"),
            Picture(path, "Three panels of accuracy over the severity of noise, blur and loss of contrast"),
        ),
        numbers={f"{name}, mean over all levels": percent(means[name]) for name, _ in ordered(losses, lowest=True)},
        finding=f"{findings.losses(losses, margin)} {' '.join(each)}",
        method=f"{count:,} test images, one training each, which saw none of this in training. What is lost is the "
        "accuracy on clean images less the mean over the four levels of all three kinds; who has little can't lose "
        f"much.{findings.caution('Losses', margin, len(losses))}",
        measured=found,
    )


def occlusion(study: Study) -> Section:
    """Compares what hiding parts of the images does."""
    return _one_damage(
        study,
        "occlusion",
        title="Hidden patches",
        question="How much of an image may be hidden?",
        method="Of 8 by 8 cells some, at random, are painted over in the image's mean colour (Naseer et al. 2021).",
    )


def shuffle(study: Study) -> Section:
    """Compares what putting the patches in another order does."""
    return _one_damage(
        study,
        "shuffle",
        title="Shuffled patches",
        question="Does the order of the patches matter, or only what is in them?",
        method="The image is cut into 2 by 2, 4 by 4 or 8 by 8 cells that change places at random (Naseer et al. "
        "2021). What keeps its accuracy does without the global arrangement.",
    )


def damaged(study: Study, kind: str) -> dict[str, list[tuple[float, list[float]]]]:
    """Returns {network: [(level, [accuracy])]} of test images damaged by `kind`, from level 0 on."""
    found: dict[str, list] = {each.name: [] for each in study.candidates}
    for level in _levels(kind):
        pixels = corrupt(study.pixels, kind, level)
        for each in study.candidates:
            found[each.name].append((level, [study.accuracy(each, pixels)]))
    return found


def _one_damage(study, kind, title, question, method):
    found = damaged(study, kind)
    path, shown = study.folder / f"{kind}.png", study.folder / f"{kind}_images.png"
    lines_picture(path, [dataclasses.replace(_panel(study, kind, found), title="")], "accuracy")
    chosen = study.examples(3)
    levels = _levels(kind)
    hurt = [corrupt(study.pixels[chosen], kind, level) for level in levels]
    examples = [("", [each[i] for each in hurt], None) for i in range(3)]
    gallery_picture(shown, examples, [f"{each:g}" for each in levels], header=CORRUPTIONS[kind].unit, side=SIDE)
    losses = {name: [points_[0][1][0] - _mean(points_)] for name, points_ in found.items()}
    count = len(study.labels)
    margin = _margin(found, losses, count)
    rows = [(name, *(percent(values[0]) for _, values in points_)) for name, points_ in found.items()]
    return Section(
        title=title,
        question=question,
        pictures=(
            Picture(shown, f"Three test images at each level of {kind}"),
            Picture(path, f"Lines of accuracy over the level of {kind}"),
        ),
        numbers={
            f"{name}, mean over all levels": percent(_mean(found[name])) for name, _ in ordered(losses, lowest=True)
        },
        finding=f"{findings.losses(losses, margin)} At the severest level, {findings.severest(found, count)}.",
        table=Table((CORRUPTIONS[kind].unit, *(f"{level:g}" for level in levels)), tuple(rows)),
        method=f"{method} {count:,} test images, one training each. What is lost is the accuracy on whole images less "
        f"the mean over the levels; who has little can't lose much.{findings.caution('Losses', margin, len(losses))}",
        measured=found,
    )


def _panel(study, kind, found):
    levels = _levels(kind)
    return Panel(
        lines=found, xlabel=CORRUPTIONS[kind].unit, title=kind, ticks=levels if kind == "shuffle" else (),
        chance=study.chance,
    )  # fmt: skip


def _levels(kind):
    return (0, *CORRUPTIONS[kind].levels)


def _mean(points_):
    """Returns the mean accuracy over all levels but 0."""
    return float(np.mean([values[0] for _, values in points_[1:]]))


def _margin(found, losses, count):
    """Returns twice the standard error of the accuracy, on `count` whole images, of who loses least."""
    return two_errors(found[ordered(losses, lowest=True)[0][0]][0][1][0], count)
