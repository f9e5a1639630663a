"""How well networks do: the steps of a comparison that look at their answers alone. Each turns a Study to a Section."""

import numpy as np

from keras_vit.analysis.calibration import calibration
from keras_vit.pictures.charts import Panel, bars_picture, dots_picture, gallery_picture, lines_picture
from keras_vit.pictures.measures import reliability_picture
from keras_vit.studies.networks import findings
from keras_vit.studies.networks.study import Study
from keras_vit.studies.report import Picture, Section, Table
from keras_vit.studies.wording import change, listed, ordered, percent, signed, two_errors

SHOWN = 10  # classes of which images are drawn


def images(study: Study) -> Section | None:
    """Shows test images of each class."""
    members = [np.flatnonzero(study.labels == study.labels[each]) for each in study.spread(SHOWN)]
    rows = [("", study.pixels[[each[turn % len(each)] for each in members]], None) for turn in range(3)]
    titles = [study.class_names[study.labels[each[0]]] for each in members]
    path = study.folder / "images.png"
    gallery_picture(path, rows, titles)
    counts = {run.images for each in study.candidates for run in each.runs}
    trained, most = max(counts), "at most " if len(counts) > 1 else ""
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
        finding=f"From {most}{trained:,} images of {study.data} the networks learn which of "
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
    return Section(
        title="The networks",
        question="From one that sees a row of numbers, over neighbourhoods, to one whose patches look at each other.",
        pictures=(Picture(path, "Bars of the parameters and of the multiply-accumulates of each network"),),
        numbers={
            "parameters": _range(parameters, "{:,}"),
            "multiply-accumulates an image": _range({name: count / 1e6 for name, count in macs.items()}, "{:.2f}")
            + " M",
        },
        finding=findings.networks(parameters, macs),
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
    done = {name: [findings.half_way(found)] for name, found in curves.items()}
    images = min(each.full[0].validated for each in study.candidates)
    return Section(
        title="Training",
        question="How fast does each network learn?",
        pictures=(Picture(path, "Lines of validation accuracy over the course of the training"),),
        numbers={name: percent(value) for name, value in ordered(done)},
        finding=findings.training(curves, images),
        method=f"The numbers are accuracies half-way, or after the first epoch where that ends later, of one training "
        f"each (seed 0), on {images:,} held-out validation images. No difference within twice the standard error of "
        "so many is counted.",
        measured=curves,
    )


def accuracy(study: Study) -> Section | None:
    """Compares the accuracy on the test images."""
    values = {each.name: [run.accuracy for run in each.full] for each in study.candidates}
    path = study.folder / "accuracy.png"
    dots_picture(path, values, "accuracy on the test images, one dot a training")
    margin = two_errors(ordered(values)[0][1], study.tested)
    seeds = len(study.candidates[0].full)
    return Section(
        title="Accuracy",
        question="Which network is most often right?",
        pictures=(Picture(path, "A row of dots for each network, one for each training, at its test accuracy"),),
        numbers={name: percent(mean) for name, mean in ordered(values)},
        finding=findings.accuracy(values, study.tested),
        method=f"{_trainings(seeds)} on the largest share, each tested on "
        f"{study.tested:,} images.{findings.caution('Networks', margin, len(values), seeds)}",
        measured=values,
    )


def data_size(study: Study) -> Section | None:
    """Compares what more images are worth to each network, where it was trained on several numbers of them."""
    if len({run.share for each in study.candidates for run in each.runs}) == 1:
        return None
    lines = {}
    for each in study.candidates:
        counts = sorted({run.images for run in each.runs})
        lines[each.name] = [(n, [run.accuracy for run in each.runs if run.images == n]) for n in counts]
    path = study.folder / "data_size.png"
    counts = sorted({n for found in lines.values() for n, _ in found})
    panel = Panel(lines=lines, xlabel="training images", log=True, ticks=tuple(counts), chance=study.chance)
    lines_picture(path, [panel], "accuracy on the test images")
    gains = {name: [float(np.mean(found[-1][1]) - np.mean(found[0][1]))] for name, found in lines.items()}
    rows = [(name, *(percent(float(np.mean(values))) for _, values in found)) for name, found in lines.items()]
    seeds = len(study.candidates[0].full)
    spans = "; bars span the trainings on the largest" if seeds > 1 else ""
    return Section(
        title="The size of the data set",
        question="Which network can do with few images, and which makes most of many?",
        pictures=(Picture(path, "Lines of test accuracy over the number of training images"),),
        numbers={
            f"{name}, points from {counts[0]:,} to {counts[-1]:,}": signed(100 * gain, 1)
            for name, gain in ordered(gains)
        },
        finding=findings.data_size(lines, study.tested),
        table=Table(("network", *(f"{n:,} images" for n in counts)), tuple(rows)),
        method="Every training takes the same number of steps, so few images are seen more often. One training for "
        f"each smaller number{spans}. No difference within twice its standard error of {study.tested:,} test images "
        "is counted.",
        measured=lines,
    )


def confidence(study: Study) -> Section | None:
    """Compares how far confidence and accuracy are apart."""
    found = {each.name: calibration(study.probabilities[each.name], study.labels) for each in study.candidates}
    path = study.folder / "calibration.png"
    reliability_picture(path, found)
    errors = {name: [each.error] for name, each in found.items()}
    right = {
        name: float((shares.argmax(axis=1) == study.labels).mean()) for name, shares in study.probabilities.items()
    }
    margin = two_errors(right[ordered(errors, lowest=True)[0][0]], len(study.labels))
    rows = [(name, percent(each.error), change(each.excess)) for name, each in found.items()]
    return Section(
        title="Calibration",
        question="When a network says 80 %, is it right in 80 % of cases?",
        pictures=(Picture(path, "A panel for each network: accuracy over confidence beside the diagonal"),),
        numbers={name: percent(mean) for name, mean in ordered(errors, lowest=True)},
        finding=findings.calibration(found, right, len(study.labels)),
        table=Table(("network", "calibration error", "confidence less accuracy"), tuple(rows)),
        method=f"Expected calibration error in 15 bins (Guo et al. 2017) on {len(study.labels):,} test images, one "
        "training each, without label smoothing and without correction."
        f"{findings.caution('Calibration errors', margin, len(found))} A network is called too sure or not sure enough "
        "beyond twice the standard error of its own accuracy. The area of a point is the number of its images; bins of "
        "fewer than 10 are not drawn.",
        measured={name: {"error": each.error, "excess": each.excess} for name, each in found.items()},
    )


def _range(values, form):
    """Returns the least and the most of {network: number} as text."""
    least, most = (form.format(pick(values.values())) for pick in (min, max))
    return least if least == most else f"{least} to {most}"


def _trainings(count):
    return f"Mean of {count} trainings" if count > 1 else "One training of each network"
