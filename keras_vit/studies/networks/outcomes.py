"""How well networks do: the steps of a comparison that look at their answers alone. Each turns a Study to a Section."""

import numpy as np

from keras_vit.analysis.calibration import calibration
from keras_vit.pictures.charts import Panel, bars_picture, dots_picture, gallery_picture, lines_picture
from keras_vit.pictures.measures import reliability_picture
from keras_vit.studies.networks.study import Study
from keras_vit.studies.report import Picture, Section, Table
from keras_vit.studies.wording import change, comparison, listed, ordered, percent, points, signed, two_errors


def images(study: Study) -> Section | None:
    """Shows test images of each class."""
    members = [np.flatnonzero(study.labels == label) for label in range(len(study.class_names))]
    members = [each for each in members if len(each)][:10]
    rows = [("", study.pixels[[each[turn % len(each)] for each in members]], None) for turn in range(3)]
    titles = [study.class_names[study.labels[each[0]]] for each in members]
    path = study.folder / "images.png"
    gallery_picture(path, rows, titles)
    trained = max(run.images for each in study.candidates for run in each.runs)
    height, width, channels = study.images.shape[1:]
    kind = "colour" if channels == 3 else "grey"
    return Section(
        title="The task",
        question="What do the networks have to learn?",
        pictures=(Picture(path, f"Test images of the classes {listed(titles)}"),),
        numbers={
            "classes": str(len(study.class_names)),
            "images to learn from": f"{trained:,}",
            "images to be tested on": f"{study.tested:,}",
            "what a network gets": f"{height} × {width} px, {kind}",
        },
        finding=f"From at most {trained:,} images of {study.data} the networks learn which of "
        f"{len(study.class_names)} classes an image shows; guessing is right in {percent(study.chance)} of cases.",
        measured={"trained": trained, "tested": study.tested},
    )


def networks(study: Study) -> Section | None:
    """Shows how large the networks are and how much they compute."""
    parameters = {each.name: each.parameters for each in study.candidates}
    macs = {each.name: each.macs for each in study.candidates}
    path = study.folder / "networks.png"
    bars_picture(
        path,
        {
            "parameters (thousands)": {name: count / 1e3 for name, count in parameters.items()},
            "multiply-accumulates an image (millions)": {name: count / 1e6 for name, count in macs.items()},
        },
    )
    seconds = {each.name: float(np.mean([run.seconds for run in each.full])) for each in study.candidates}
    rows = [
        (each.name, each.idea, f"{each.parameters:,}", f"{each.macs / 1e6:.2f} M", f"{seconds[each.name]:.0f} s")
        for each in study.candidates
    ]
    few, many = min(parameters.values()), max(parameters.values())
    return Section(
        title="The networks",
        question="From one that sees a row of numbers, over neighbourhoods, to one whose patches look at each other.",
        pictures=(Picture(path, "Bars of the parameters and of the multiply-accumulates of each network"),),
        numbers={
            "parameters, fewest to most": f"{few:,} to {many:,}",
            "multiply-accumulates an image": f"{min(macs.values()) / 1e6:.2f} to {max(macs.values()) / 1e6:.2f} M",
        },
        finding=f"The largest network has {many / few:.1f} times the parameters of the smallest, and the one that "
        f"computes most does {max(macs.values()) / min(macs.values()):.0f} times the multiply-accumulates of the one "
        "that does least: the budgets are alike in parameters, steps and images, not in arithmetic.",
        table=Table(("network", "how it sees an image", "parameters", "multiply-accumulates", "training"), tuple(rows)),
        method="All train with the same steps, batch, augmentation, AdamW and cosine schedule, none of them "
        "tuned for one network.",
        measured={"parameters": parameters, "macs": macs, "seconds": seconds},
    )


def training(study: Study) -> Section | None:
    """Shows how fast the networks learn."""
    curves = {}
    for each in study.candidates:
        rows = each.full[0].rows
        curves[each.name] = [((i + 1) / len(rows), [row["val_accuracy"]]) for i, row in enumerate(rows)]
    path = study.folder / "training.png"
    panel = Panel(lines=curves, xlabel="part of the training done", chance=study.chance)
    lines_picture(path, [panel], "accuracy on validation images")
    middle = {name: [_at(points_, 0.5)] for name, points_ in curves.items()}
    end = {name: points_[-1][1] for name, points_ in curves.items()}
    gains = {name: [end[name][0] - middle[name][0]] for name in end}
    gaining, gain = ordered(gains)[0]
    return Section(
        title="Training",
        question="How fast does each network learn?",
        pictures=(Picture(path, "Lines of validation accuracy over the course of the training"),),
        numbers={name: percent(value) for name, value in ordered(middle)},
        finding=f"Half-way, {ordered(middle)[0][0]} was most often right ({percent(ordered(middle)[0][1])} of the "
        f"validation images), at the end {ordered(end)[0][0]} ({percent(ordered(end)[0][1])}); {gaining} gained most "
        f"in the second half, {points(gain)}.",
        method="The numbers are accuracies half-way, of one training each (seed 0), on held-out validation images.",
        measured=curves,
    )


def accuracy(study: Study) -> Section | None:
    """Compares the accuracy on the test images."""
    values = {each.name: [run.accuracy for run in each.full] for each in study.candidates}
    path = study.folder / "accuracy.png"
    dots_picture(path, values, "accuracy on the test images, one dot a training")
    best = ordered(values)[0][1]
    margin = two_errors(best, study.tested)
    seeds = len(study.candidates[0].full)
    spread = {name: max(found) - min(found) for name, found in values.items()}
    widest = max(spread, key=spread.__getitem__)
    said = f" Over {seeds} seeds, {widest} varied most, by {points(spread[widest])}." if seeds > 1 else ""
    return Section(
        title="Accuracy",
        question="Which network is most often right?",
        pictures=(Picture(path, "A row of dots for each network, one for each training, at its test accuracy"),),
        numbers={name: percent(mean) for name, mean in ordered(values)},
        finding=comparison(values, "the highest accuracy", margin=margin) + said,
        method=f"Mean of {_trainings(seeds)} on the largest share, each tested on {study.tested:,} images. Two "
        f"networks count as alike where their trainings overlap or lie within {points(margin)}, twice the standard "
        "error of so many images.",
        measured=values,
    )


def data_size(study: Study) -> Section | None:
    """Compares what more images are worth to each network."""
    lines = {}
    for each in study.candidates:
        counts = sorted({run.images for run in each.runs})
        lines[each.name] = [(n, [run.accuracy for run in each.runs if run.images == n]) for n in counts]
    path = study.folder / "data_size.png"
    counts = sorted({n for found in lines.values() for n, _ in found})
    panel = Panel(lines=lines, xlabel="training images", log=True, ticks=tuple(counts), chance=study.chance)
    lines_picture(path, [panel], "accuracy on the test images")
    gains = {name: [float(np.mean(found[-1][1]) - np.mean(found[0][1]))] for name, found in lines.items()}
    least = {name: found[0][1] for name, found in lines.items()}
    rows = [(name, *(percent(float(np.mean(values))) for _, values in found)) for name, found in lines.items()]
    gaining, losing = ordered(gains)[0], ordered(gains)[-1]
    return Section(
        title="The size of the data set",
        question="Which network can do with few images, and which makes most of many?",
        pictures=(Picture(path, "Lines of test accuracy over the number of training images"),),
        numbers={
            f"{name}, points from {counts[0]:,} to {counts[-1]:,}": signed(100 * gain, 1)
            for name, gain in ordered(gains)
        },
        finding=f"With {counts[0]:,} images: "
        + comparison(least, "the highest accuracy", margin=two_errors(ordered(least)[0][1], study.tested))
        + f" From {counts[0]:,} to {counts[-1]:,} images the accuracy of {gaining[0]} rose most ({change(gaining[1])}) "
        f"and that of {losing[0]} least ({change(losing[1])}).",
        table=Table(("network", *(f"{n:,} images" for n in counts)), tuple(rows)),
        method="Every training takes the same number of steps, so few images are seen more often. One training for "
        "each smaller number; bars span the trainings on the largest.",
        measured=lines,
    )


def confidence(study: Study) -> Section | None:
    """Compares how far confidence and accuracy are apart."""
    found = {each.name: calibration(study.probabilities[each.name], study.labels) for each in study.candidates}
    path = study.folder / "calibration.png"
    reliability_picture(path, found)
    errors = {name: [each.error] for name, each in found.items()}
    sure = [name for name, each in found.items() if each.excess > 0.01]
    timid = [name for name, each in found.items() if each.excess < -0.01]
    words = [f"{listed(sure)} {_were(sure)} on average too sure"] if sure else []
    words += [f"{listed(timid)} {_were(timid)} on average not sure enough"] if timid else []
    said = f" {'; '.join(words)}." if words else " None was off by more than one point on average."
    rows = [(name, percent(each.error), change(each.excess)) for name, each in found.items()]
    return Section(
        title="Calibration",
        question="When a network says 80 %, is it right in 80 % of cases?",
        pictures=(Picture(path, "A panel for each network: accuracy over confidence beside the diagonal"),),
        numbers={name: percent(mean) for name, mean in ordered(errors, lowest=True)},
        finding=comparison(errors, "the smallest calibration error", lowest=True, margin=0.005) + said,
        table=Table(("network", "calibration error", "confidence less accuracy"), tuple(rows)),
        method=f"Expected calibration error in 15 bins (Guo et al. 2017) on {len(study.labels):,} test images, one "
        "training each, without label smoothing and without correction; differences below half a point are not told "
        "apart. The area of a point is the number of its images; bins of fewer than 10 are not drawn.",
        measured={name: {"error": each.error, "excess": each.excess} for name, each in found.items()},
    )


def _at(points_, x):
    return float(np.interp(x, [each for each, _ in points_], [values[0] for _, values in points_]))


def _trainings(count):
    return f"{count} trainings" if count > 1 else "one training"


def _were(names):
    return "were" if len(names) > 1 else "was"
