"""What a comparison of networks found, in words: from the numbers of a step to the sentences that these bear out.

Nothing is said of what was not varied, be it the network, the seed, the size or the layer, and no difference within
the noise of so many images is called one.
"""

from collections.abc import Mapping, Sequence

import numpy as np

from keras_vit.analysis.calibration import Calibration
from keras_vit.studies.wording import change, comparison, leaders, listed, ordered, percent, points, signed, two_errors

Points = Mapping[str, Sequence[tuple[float, Sequence[float]]]]  # {network: [(x, values measured there)]}


def networks(parameters: Mapping[str, int], macs: Mapping[str, int]) -> str:
    """Returns how far networks are apart in size and arithmetic."""
    if len(parameters) == 1:
        (name, count), (computed,) = next(iter(parameters.items())), macs.values()
        return f"{name} has {count:,} parameters and does {computed / 1e6:.2f} M multiply-accumulates an image."
    sizes, work = ([*each.values()] for each in (parameters, macs))
    return (
        f"The largest network has {max(sizes) / min(sizes):.1f} times the parameters of the smallest, and the one that "
        f"computes most does {max(work) / min(work):.0f} times the multiply-accumulates of the one that does least: "
        "the networks train for the same steps on the same images, whatever they compute."
    )


def training(curves: Points, count: int) -> str:
    """Returns who is most often right half-way and at the end, of `count` images."""
    end = {name: found[-1][1] for name, found in curves.items()}
    said = f"At the end: {_best(end, count)}"
    if min(found[0][0] for found in curves.values()) > 0.5:
        return said  # no epoch ended before
    middle = {name: [half_way(found)] for name, found in curves.items()}
    said = f"Half-way: {_best(middle, count)} {said}"
    gains = {name: [end[name][0] - middle[name][0]] for name in end}
    best = leaders(gains, margin=_of_two(end, middle, count))
    if len(best) < len(gains):
        said += f" {listed(best)} gained most in the second half, {listed(points(gains[name][0]) for name in best)}."
    return said


def half_way(found: Sequence[tuple[float, Sequence[float]]]) -> float:
    """Returns the value of [(part of the training done, [value])] half-way."""
    return float(np.interp(0.5, [each for each, _ in found], [values[0] for _, values in found]))


def accuracy(values: Mapping[str, Sequence[float]], count: int) -> str:
    """Returns who is most often right of `count` images, and how much that varies over several seeds."""
    said, seeds = _best(values, count), len(next(iter(values.values())))
    if seeds == 1:
        return said
    spread = {name: [max(found) - min(found)] for name, found in values.items()}
    widest, most = ordered(spread)[0]
    if most == 0:
        return f"{said} Over {seeds} seeds none varied."
    who = f", {widest} varied most," if len(values) > 1 else " it varied"
    return f"{said} Over {seeds} seeds{who} by {points(most)}."


def caution(what: str, margin: float, networks: int, seeds: int = 1) -> str:
    """Returns when `what` of several networks, such as "Losses", is not told apart; "" where there is one network."""
    if networks == 1:
        return ""
    overlap = " whose trainings overlap, or that lie" if seeds > 1 else ""
    noise = f"{points(margin)}, twice the standard error of the accuracy on so many images"
    return f" {what}{overlap} within {noise}, are not told apart."


def data_size(lines: Points, count: int) -> str:
    """Returns who is most often right of `count` images with the fewest training images, and who gains by more."""
    least, most = ({name: found[end][1] for name, found in lines.items()} for end in (0, -1))
    counts = [n for found in lines.values() for n, _ in found]
    said = f"With {min(counts):,} images: {_best(least, count)} From {min(counts):,} to {max(counts):,} images "
    gains = {name: [float(np.mean(most[name]) - np.mean(least[name]))] for name in lines}
    margin = _of_two(most, least, count)
    order = ordered(gains)
    best, worst = leaders(gains, margin=margin), leaders(gains, lowest=True, margin=margin)
    ranking = listed(f"{name} {change(gain)}" for name, gain in order)
    if len(lines) == 1:
        return f"{said}its accuracy changes by {change(order[0][1])}."
    if len(best) == len(lines):
        return f"{said}accuracies change, which this study can't tell apart by how much: {ranking}."
    if order[0][1] <= margin:
        return f"{said}no accuracy grew beyond the noise: {ranking}."
    worst = [name for name in worst if name not in best]
    least_how = "fell" if order[-1][1] < -margin else "least"
    return (
        f"{said}the accuracy of {_changed(best, gains, 'rose most')} and that of {_changed(worst, gains, least_how)}."
    )


def calibration(found: Mapping[str, Calibration], accuracies: Mapping[str, float], count: int) -> str:
    """Returns who is best calibrated on `count` images, and who is too sure or not sure enough.

    A calibration error and what confidence exceeds accuracy by are about as uncertain as the accuracy of so many
    images, so two of its standard errors are the noise here too.
    """
    errors = {name: [each.error] for name, each in found.items()}
    margins = {name: two_errors(accuracies[name], count) for name in found}
    best = ordered(errors, lowest=True)[0][0]
    said = comparison(errors, "the smallest calibration error", lowest=True, margin=margins[best])
    sure = [name for name, each in found.items() if each.excess > margins[name]]
    timid = [name for name, each in found.items() if each.excess < -margins[name]]
    words = [f"{listed(sure)} {_were(sure)} on average too sure"] if sure else []
    words += [f"{listed(timid)} {_were(timid)} on average not sure enough"] if timid else []
    return f"{said} {'; '.join(words) or 'None was off by more than the noise on average'}."


def losses(lost: Mapping[str, Sequence[float]], margin: float) -> str:
    """Returns who loses how much accuracy in mean over all levels of a damage."""
    if len(lost) == 1:
        ((name, (loss,)),) = lost.items()
        return f"In mean over all levels {name} loses {points(loss)}."
    return comparison(lost, "the smallest loss in mean over all levels", points, lowest=True, margin=margin)


def severest(found: Points, count: int) -> str:
    """Returns who is most and who is least often right of `count` images at the last level of a damage."""
    last = {name: [float(np.mean(each[-1][1]))] for name, each in found.items()}
    clean = {name: percent(each[0][1][0]) for name, each in found.items()}
    order = ordered(last)
    if len(order) == 1:
        return f"{order[0][0]} is right in {percent(order[0][1])} of cases (undamaged {clean[order[0][0]]})"
    best = leaders(last, margin=two_errors(order[0][1], count))
    worst = leaders(last, lowest=True, margin=two_errors(order[-1][1], count))
    if len(best) == len(last):
        each = listed(f"{name} {percent(share)} (undamaged {clean[name]})" for name, share in order)
        return f"no network stands out by how often it is right: {each}"
    worst = [name for name in worst if name not in best]
    most = _right(best, f"{_were(best)} most often right", last, clean, " of cases")
    return f"{most}, and {_right(worst, 'least often', last, clean)}"


def looking(held: Mapping[str, float], agreeing: Mapping[str, np.ndarray]) -> str:
    """Returns how concentrated attention is, and how far it agrees with hiding: rank correlations, one an image."""
    said = []
    for name, each in agreeing.items():
        mean, noise = float(each.mean()), 2 * float(each.std(ddof=1)) / np.sqrt(len(each))
        way = "with" if mean > 0 else "against"
        goes = f"goes {way} what hiding a cell costs" if abs(mean) > noise else "agrees with hiding no more than chance"
        said.append(
            f"{name} puts {percent(held[name])} of its attention on a quarter of the cells (even would be 25 %), and "
            f"attention {goes}: the rank correlation is {signed(mean)} ± {noise:.2f}."
        )
    return " ".join(said) or "None of these networks has attention; shown is what hiding a cell costs each of them."


def distances(name: str, blocks: Mapping[str, np.ndarray], uniform: Mapping[str, float]) -> str:
    """Returns how far the heads of a network look, {block: px of each head}, and how far `uniform` attention would."""
    heads = np.concatenate([*blocks.values()])
    means = [float(each.mean()) for each in blocks.values()]
    reach = f"{heads.min():.1f} to {heads.max():.1f} px far"
    said = f"The heads of {name} look {reach}" if len(heads) > 1 else f"The head of {name} looks {heads[0]:.1f} px far"
    if len(blocks) > 1:
        said += f", {means[0]:.1f} px in mean in the first block and {means[-1]:.1f} px in the last"
    return f"{said}; looking everywhere alike would be {np.mean(list(uniform.values())):.1f} px."


def fields(shares: Mapping[str, Sequence[float]]) -> str:
    """Returns in how much of the pixels half of the gradient lies, of [first block, last block] or of the only one."""
    order = ordered({name: [found[-1]] for name, found in shares.items()})
    (widest, most), (narrowest, least) = order[0], order[-1]
    said = f"In the last block half of the gradient lies in {percent(most)} of the pixels for {widest}"
    if len(order) > 1:
        said += f" and in {percent(least)} for {narrowest}"
    starts = [f"{percent(found[0])} ({name})" for name, found in shares.items() if len(found) > 1]
    return f"{said}; in the first in {listed(starts)}." if starts else f"{said}."


def probes(found: Mapping[str, Mapping[str, float]], count: int) -> str:
    """Returns from whose last layer most can be read, of `count` images, and in whom that rises most."""
    first, last = ({name: [[*layers.values()][end]] for name, layers in found.items()} for end in (0, -1))
    said = f"In the last layer: {_best(last, count)}"
    gains = {name: [last[name][0] - first[name][0]] for name, layers in found.items() if len(layers) > 1}
    if not gains:
        return said
    margin = _of_two(last, first, count)
    best = [name for name in leaders(gains, margin=margin) if gains[name][0] > margin]
    if not best:
        return said
    most = "most " if len(gains) > 1 else ""
    rises = listed(f"{name} ({percent(first[name][0])} to {percent(last[name][0])})" for name in best)
    return f"{said} From the first layer to the last it rises {most}in {rises}."


def halves(name: str, trained: np.ndarray, control: np.ndarray) -> str:
    """Returns how alike the lower and the upper half of the layers of a network are, by their CKA (layers, layers)."""
    if len(trained) < 2:
        return f"{name} has one layer, which is compared with none of its own."
    low, before = (low_with_high(each) for each in (trained, control))
    return (
        f"Layers of the lower half of {name} are alike to those of the upper to {low:.2f} in mean (untrained: "
        f"{before:.2f})."
    )


def low_with_high(values: np.ndarray) -> float:
    """Returns the mean of CKA (layers, layers) over pairs of a layer of the lower half and one of the upper."""
    half = len(values) // 2
    return float(values[:half, half:].mean())


def _best(values, count):
    margin = two_errors(ordered(values)[0][1], count)
    return comparison(values, "the highest accuracy", margin=margin)


def _of_two(one, other, count):
    """Returns twice the standard error of the difference of two accuracies, at its largest among the networks."""
    pairs = ((float(np.mean(one[name])), float(np.mean(other[name]))) for name in one)
    return max(float(np.hypot(two_errors(a, count), two_errors(b, count))) for a, b in pairs)


def _changed(names, gains, how):
    return f"{listed(names)} {how} ({listed(signed(100 * gains[name][0], 1) for name in names)} points)"


def _right(names, how, last, clean, unit=""):
    """Returns that networks were right `how` often, in how many cases, and before the damage."""
    shares, before = listed(percent(last[name][0]) for name in names), listed(clean[name] for name in names)
    return f"{listed(names)} {how}, in {shares}{unit} (undamaged {before})"


def _were(names):
    return "were" if len(names) > 1 else "was"
