"""What the layers of networks hold: the steps of a comparison that look at layers. Each turns a Study to a Section."""

import dataclasses
import re

import numpy as np

from keras_vit.analysis.attention import methods
from keras_vit.analysis.cells import layers_before_head
from keras_vit.analysis.cka import cka
from keras_vit.analysis.probe import probe
from keras_vit.pictures.measures import probe_picture
from keras_vit.pictures.similarity import similarity_lines, similarity_picture
from keras_vit.studies.networks import findings
from keras_vit.studies.networks.study import Study
from keras_vit.studies.report import Picture, Section
from keras_vit.studies.wording import listed, percent, two_errors
from keras_vit.taps import block_of, list_taps

REPEATS = 3  # of CKA, each over the images in another order
_ENDS = re.compile("map|pool|head.*")
# what lies between the sums and norms of a block, and stages, which are their last block under another name
_ASIDE = re.compile(
    rf"(stage_\d+_)?(query|key|value|attention|attended|branch\d|carried)_\d+|stage_\d+|{_ENDS.pattern}"
)


def similarities(study: Study) -> Section | None:
    """Compares the layers of a ViT and a convolutional network with themselves and each other."""
    by_name = {each.name: each for each in study.candidates}
    token = next((by_name[name] for name in by_name if "rollout" in methods(by_name[name].model)), None)
    plain = next((by_name[name] for name in ("ResNet", "LeNet", "Mixer", "MLP") if name in by_name), None)
    pairs = [(one, other) for one, other in ((plain, plain), (token, token), (plain, token)) if one and other]
    images = study.images[:512]
    batch = min(128, len(images))
    compared = [_compared(one, other, images, batch) for one, other in pairs]
    numbers, said = _worded(compared)
    return Section(
        title="How alike layers see",
        question="Do networks build up their view in stages, or keep it throughout?",
        pictures=tuple(picture for found in compared for picture in _drawn(study.folder, *found)),
        numbers=numbers,
        finding=" ".join(said),
        method=f"Linear CKA with the unbiased estimator in minibatches of {batch} (Nguyen et al. 2021) of "
        f"{len(images)} test images, after each sum and norm; 1 is alike, 0 unrelated.{_repeated(compared)} The "
        "control shows what the architectures alone bring with them.",
        measured={_pair(trained): _plain(trained, control) for trained, control in compared},
    )


def probes(study: Study) -> Section | None:
    """Measures what a linear classifier reads from each layer."""
    labels, found = study.labels[:1000], {}
    for each in study.candidates:
        names = [name for name in layers_before_head(each.model) if name not in ("map", "pool")]
        found[each.name] = probe(each.model, study.train_sample, (study.images[:1000], labels), names)
    path = study.folder / "probes.png"
    probe_picture(path, found)
    best = {name: max(layers, key=layers.__getitem__) for name, layers in found.items()}
    last = max([*layers.values()][-1] for layers in found.values())
    margin = two_errors(last, len(labels))
    return Section(
        title="What can be read from each layer",
        question="How early can a straight line tell the classes apart?",
        pictures=(Picture(path, "Lines of the accuracy of linear probes over the depth of each network"),),
        numbers={f"{name}, best at {best[name]}": percent(found[name][best[name]]) for name in found},
        finding=findings.probes(found, len(labels)),
        method="Regularised least squares on the mean over the cells of each layer, fitted to "
        f"{len(study.train_sample[1]):,} training images and tested on {len(labels):,} test images (as in Raghu et al. "
        f"2021).{findings.caution('Accuracies', margin, len(found))}",
        measured=found,
    )


def _sums_and_norms(model):
    """Returns the taps of `model` after its sums and norms, in the order in which it computes them."""
    known, names = list_taps(model), []
    for layer in model.layers:
        names += [name for name in known if block_of(model, name) is layer]
        names += [layer.name] if layer.name in known else []
    aside = _ASIDE if any("block_" in name for name in names) else _ENDS
    return [name for name in names if not aside.fullmatch(name)]


def _compared(one, other, images, batch):
    """Returns the Similarity of two networks, trained and untrained, under the names of the study."""
    layers, found = (_sums_and_norms(one.model), _sums_and_norms(other.model)), []
    for models in ((one.model, other.model), (one.untrained, other.untrained)):
        repeats = REPEATS if len(images) > batch else 1  # one minibatch is the same in any order
        similarity = cka(*models, images, layers=layers, batch=batch, repeats=repeats)
        short = [
            tuple(re.sub(r"stage_(\d+)_", r"\1: ", name) for name in names)
            for names in (similarity.rows, similarity.columns)
        ]
        found.append(dataclasses.replace(similarity, rows=short[0], columns=short[1], models=(one.name, other.name)))
    return found


def _pair(found):
    """Returns what a Similarity is of, in words."""
    return listed(dict.fromkeys(found.models))


def _drawn(folder, trained, control):
    """Draws the Similarity of two networks, of different ones also as lines; returns the Pictures."""
    one, other = trained.models
    path = folder / f"cka_{one}_{other}.png"
    similarity_picture(path, trained, control)
    pictures = [Picture(path, f"Heat maps of the CKA of layers of {one} and {other}")]
    if one != other:
        lines = folder / f"cka_lines_{one}_{other}.png"
        similarity_lines(lines, trained, control)
        pictures.append(Picture(lines, f"Lines of the CKA of each layer of {one} with layers of {other}"))
    return pictures


def _plain(trained, control):
    """Returns what two of Similarity hold, as numbers."""
    return {
        key: {"rows": each.rows, "columns": each.columns, "cka": each.values.tolist()}
        | ({} if each.deviations is None else {"deviations": each.deviations.tolist()})
        for key, each in (("trained", trained), ("untrained", control))
    }


def _worded(compared):
    """Returns {what it is: number} and the sentences of [(Similarity, its untrained control)]."""
    numbers: dict[str, str] = {}
    said = []
    for trained, control in compared:
        one, other = trained.models
        number, sentence = (_within if one == other else _across)(_pair(trained), trained, control)
        numbers |= number
        said.append(sentence)
    return numbers, said


def _repeated(compared):
    """Returns how much the values of CKA differ from repeat to repeat, in words."""
    spreads = [each.deviations for found in compared for each in found if each.deviations is not None]
    if not spreads:
        return ""
    typical, most = (float(pick([pick(each) for each in spreads])) for pick in (np.mean, np.max))
    return (
        f" Each value is the mean of {REPEATS} passes over the images in another order, whose standard deviation is "
        f"{typical:.3f} in mean over all pairs of layers and {most:.3f} at most."
    )


def _within(name, trained, control):
    """Returns what the CKA of a network with itself says: the number under its name, and the sentence."""
    said = findings.halves(name, trained.values, control.values)
    if len(trained.values) == 1:
        return {}, said
    return {f"{name}: lower half with upper half": f"{findings.low_with_high(trained.values):.2f}"}, said


def _across(pair, trained, control):
    """Returns what the CKA of two networks says, like `_within`."""
    mean, before = (float(each.values.mean()) for each in (trained, control))
    row, column = np.unravel_index(trained.values.argmax(), trained.values.shape)
    return (
        {f"{pair}: all layers": f"{mean:.2f}"},
        f"Across {pair} all pairs of layers are alike to {mean:.2f} in mean (untrained: {before:.2f}), most of all "
        f"{trained.rows[row]} of {trained.models[0]} and {trained.columns[column]} of {trained.models[1]}, to "
        f"{trained.values[row, column]:.2f}.",
    )
