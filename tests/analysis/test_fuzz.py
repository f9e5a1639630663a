"""Measures asked as nobody should ask them: a sentence, or a right answer."""

import random

import numpy as np
import pytest

from keras_vit import analysis
from keras_vit.testing import small

pytestmark = pytest.mark.slow
_RNG = np.random.default_rng(5)
GOOD = _RNG.normal(size=(5, 32, 32, 3)).astype("float32")
LABELS = np.array([0, 1, 0, 1, 2])


def _with(value):
    images = GOOD.copy()
    images[3, 5, 7, 1] = value
    return images


IMAGES = {
    "good": GOOD,
    "whole": (100 * GOOD).astype("int16"),
    "half": GOOD.astype("float16"),
    "list": GOOD.tolist(),
    "one": GOOD[:1],
    "unbatched": GOOD[0],
    "grey": GOOD[..., :1],
    "small": GOOD[:, :16],
    "empty": GOOD[:0],
    "flat": GOOD.reshape(5, -1),
    "nan": _with(np.nan),
    "infinite": _with(np.inf),
    "text": np.full(GOOD.shape, "a"),
    "complex": GOOD.astype("complex64"),
    "objects": np.full(GOOD.shape, None),
    "huge": [[2**70]],
    "ragged": [GOOD[0].tolist(), GOOD[1, :16].tolist()],
    "none": None,
    "number": 7,
    "name": "images.png",
    "dict": {"image": GOOD},
}
NUMBERS = (1, 2, 3, 4, 7, 0, -1, 2**70, 2.5, float("nan"), None, "2", True, [3], (1, 2), np.int64(3), np.float32(2))
NAMES = ("block_0", "embed", "norm", "attention_0", "block_9", "", "logits", None, 3, ["block_0"], ["block_0", 3], [])
TARGETS = (0, 6, 7, -1, None, [0, 1, 2, 3, 4], [0, 1], [9] * 5, 1.5, "cat", np.arange(5), 2**70, [[0] * 5], [None] * 5)
METHODS = (*analysis.METHODS, "Rollout", "", None, 3, ["rollout"])


def finite(*arrays):
    return all(np.isfinite(np.asarray(each, "float64")).all() for each in arrays)


def attention(model, images, pick):
    options = {}
    for name, values in {
        "target": TARGETS, "discard": (0.0, 0.5, 1.0, -1, float("nan"), "a"), "mass": (0.5, 2, None), "patch": NUMBERS,
        "layer": NAMES, "block": NAMES, "unheard": (1,),
    }.items():  # fmt: skip
        if pick((True, False, False, False)):
            options[name] = pick(values)
    maps = analysis.attention(model, images, pick(METHODS), pick((32, 2, *NUMBERS)), **options)
    assert finite(maps) and maps.ndim in (3, 4) and len(maps) == len(images)
    return options.get("patch") is not None or maps.min() >= -1  # occlusion alone may find what helps


def distance(model, images, pick):
    found = analysis.attention_distance(model, images, pick((False, True)), pick(NUMBERS))
    return all(finite(each) and each.min() >= 0 for each in found.values())


def cka(model, images, pick):
    layers = (pick(NAMES), pick(NAMES))
    found = analysis.cka(
        model, model, images, layers=layers, batch=pick((5, *NUMBERS)), repeats=pick((1, 1, 1, *NUMBERS)),
        kernel=pick(("linear", "rbf", "cubic", None)), bandwidth=pick((1.0, 1.0, *NUMBERS)),
    )  # fmt: skip
    return finite(found.values) and found.values.shape == (len(found.rows), len(found.columns))


def localisation(model, images, pick):
    found = analysis.localisation(model, images, pick(NAMES), pick((None, 8, *NUMBERS)), pick((5, *NUMBERS)))
    return finite(found.cells) and found.cells.ndim == 4


def field(model, images, pick):
    found = analysis.effective_receptive_field(model, images, pick(NAMES), pick(NUMBERS), pick(NUMBERS), pick(NUMBERS))
    return all(finite(each) and each.min() >= 0 and each.shape == (32, 32) for each in found.values())


def skip(model, images, pick):
    found = analysis.skip_ratio(model, images, pick(NUMBERS))
    return all(finite(each.cells) for branches in found.values() for each in branches.values())


def probe(model, images, pick):
    labels = pick(
        (LABELS, LABELS, LABELS[:3], LABELS.tolist(), list("abaab"), None, np.full(5, np.nan), np.zeros(5), 3)
    )
    given = pick(((images, labels), (images, labels), [(images, labels)], (images,), images, []))
    found = analysis.probe(
        model, given, (GOOD, LABELS), pick(NAMES), shots=pick((None, None, *NUMBERS)),
        pool=pick(("mean", "token", "max", None)), penalty=pick((1.0, 1.0, *NUMBERS)), batch=pick(NUMBERS),
    )  # fmt: skip
    return all(0 <= each <= 1 for each in found.values())


MEASURES = {f.__name__: f for f in (attention, distance, cka, localisation, field, skip, probe)}


def arrays(pick):
    """Asks the measures of arrays alone."""
    maps = pick(
        (np.ones((5, 4, 4)), np.ones((5, 2, 4, 4)), GOOD, [[1]], None, "maps", np.zeros((5, 0, 0)), -np.ones((5, 4, 4)))
    )
    masks = pick((np.ones((5, 8, 8), bool), np.zeros((5, 8, 8)), np.ones((4, 8, 8)), [[True]], None, "masks", 3))
    what = pick(("mass", "area", "calibration", "resize", "share"))
    if what == "mass":
        return finite(analysis.object_mass(maps, masks))
    if what == "area":
        return finite(analysis.object_area(masks))
    if what == "calibration":
        shares = pick(
            (np.full((5, 2), 0.5), np.ones((5, 2)), np.full((5, 2), np.nan), [[1.0]], None, "a", np.ones((0, 2)))
        )
        labels = pick((LABELS, [0, 1, 0, 1, 1], [0.5] * 5, list("ababa"), None, [-1] * 5, [2**70] * 5))
        return 0 <= analysis.calibration(shares, labels, pick(NUMBERS)).error <= 1
    if what == "resize":
        size = pick(((8, 8), (8,), 8, (0, 8), (-1, 3), (2.5, 3), None, ("a", 2)))
        return finite(analysis.resize_maps(maps, size, pick(("bilinear", "nearest", "cubic", None))))
    return (
        0
        < analysis.field_share(
            pick((np.eye(4), np.zeros((4, 4)), -np.eye(4), np.full((2, 2), np.nan), None)), pick(NUMBERS)
        )
        <= 1
    )


def answered(ask, *given):
    """Whether `ask` gave a right answer or a sentence; anything else is the test's to fail."""
    try:
        assert ask(*given)
    except (ValueError, TypeError) as error:
        said = str(error)
        words = ("object has no attribute", "NoneType", "unsupported operand", "Traceback", "not supported between")
        assert len(said) > 15 and not any(each in said for each in words), said


@pytest.fixture(scope="module")
def model():
    return small("vit")


@pytest.mark.parametrize("name", MEASURES)
def test_any_question_to_a_model_is_answered_or_refused(model, name):
    pick = random.Random(name).choice
    for i in range(40):
        key = pick(("good", "good", "good", *IMAGES))
        images = IMAGES[key]
        try:
            answered(MEASURES[name], model, images, pick)
        except BaseException as error:
            raise AssertionError(f"question {i} of {name}, with images {key}: {error!r}") from error


def test_any_question_about_arrays_is_answered_or_refused():
    pick = random.Random(3).choice
    for i in range(300):
        try:
            answered(arrays, pick)
        except BaseException as error:
            raise AssertionError(f"question {i}: {error!r}") from error
