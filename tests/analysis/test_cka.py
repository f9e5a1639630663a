"""Minibatch CKA is the formula of its paper, to six digits, whatever the means of the features."""

import re
import weakref

import numpy as np
import pytest
from kit.numpy_reference import cka_by_hand, linear

from keras_vit.analysis import MinibatchCKA, cka
from keras_vit.taps import list_taps, reduced, tap
from keras_vit.testing import small


def rbf(x):
    x = np.asarray(x, "float64").reshape(len(x), -1)
    squares = ((x[:, None] - x) ** 2).sum(-1)
    return np.exp(-squares / (2 * 0.8**2 * np.median(squares[np.triu_indices(len(x), 1)])))


@pytest.mark.parametrize("mean", [0, 100])
@pytest.mark.parametrize(("kernel", "gram"), [("linear", linear), ("rbf", rbf)])
def test_cka_agrees_with_the_three_terms_of_its_estimator(rng, mean, kernel, gram):
    def layers(widths, shared):
        return [(shared @ rng.normal(size=(7, w)) + rng.normal(size=(13, w)) + mean).astype("float32") for w in widths]

    batches = [(layers((5, 53), shared), layers((3, 11, 17), shared)) for shared in rng.normal(size=(3, 13, 7))]
    summed = MinibatchCKA(2, 3, kernel, bandwidth=0.8 if kernel == "rbf" else 1.0)
    for each in batches:
        summed.update(*each)
    expected = cka_by_hand(*zip(*batches, strict=True), gram)
    np.testing.assert_allclose(summed.result(), expected, atol=1e-6)
    assert expected.min() > 0.1


def test_independent_layers_have_none_and_turned_ones_all(rng):
    summed = MinibatchCKA(1, 2)
    turn = np.linalg.qr(rng.normal(size=(101, 101)))[0]
    for _ in range(30):
        x = rng.normal(size=(16, 101))
        summed.update([x], [rng.normal(size=(16, 101)), 3 * x @ turn + 5])
    got = summed.result()[0]
    assert abs(got[0]) < 0.05  # the biased estimator gives 0.87
    np.testing.assert_allclose(got[1], 1, atol=1e-9)


def test_a_whole_number_may_stand_for_what_is_undefined(rng):
    summed = MinibatchCKA(1, 2)
    x = rng.normal(size=(16, 5))
    summed.update([x], [2 * x, np.ones((16, 3))])
    np.testing.assert_allclose(summed.result(undefined=0), [[1, 0]])


@pytest.fixture
def images(rng):
    return rng.normal(size=(14, 32, 32, 3)).astype("float32")


def test_two_models_are_compared_in_one_pass(images):
    vit, resnet = small("vit"), small("resnet")
    names = ["embed", "attention_1", "mlp_2"], ["stage_0", "stage_1"]
    got = cka(vit, resnet, images, layers=names, batch=6)
    batches = []
    for model, of in zip((vit, resnet), names, strict=True):
        given = [tap(model, of)(images[i : i + 6]) for i in (0, 6)]  # the last 2 are left out
        batches.append([[np.asarray(each[name]) for name in of] for each in given])
    np.testing.assert_allclose(got.values, cka_by_hand(*batches, linear), atol=1e-6)
    assert got.rows == tuple(names[0]) and got.models == ("vit-ti16", "resnet-18")


class Passes:
    """Minibatches of 7 that come in another order each time they are asked for."""

    def __init__(self, images, orders):
        self.images, self.orders = images, iter(orders)

    def __iter__(self):
        order = next(self.orders)
        return iter([self.images[order[:7]], self.images[order[7:]]])


def test_repeats_give_the_mean_and_standard_deviation_of_their_passes(rng, images):
    model, layers = small("vit"), ("block_0", "attention_2")
    orders = [rng.permutation(14) for _ in range(3)]
    got = cka(model, model, Passes(images, orders), layers=(layers, layers), repeats=3)
    each = []
    for order in orders:
        given = [tap(model, list(layers))(images[some]) for some in (order[:7], order[7:])]
        batches = [[np.asarray(one[name]) for name in layers] for one in given]
        each.append(cka_by_hand(batches, batches, linear))
    mean = sum(each) / 3
    np.testing.assert_allclose(got.values, mean, atol=1e-6)
    np.testing.assert_allclose(got.deviations, np.sqrt(sum((one - mean) ** 2 for one in each) / 2), atol=1e-6)
    assert got.deviations[0, 1] > 1e-3 and got.repeats == 3


def test_an_array_is_shuffled_anew_for_each_repeat_by_the_seed(images):
    model = small("resnet")
    options = {"layers": (["stage_0"], ["stage_2"]), "batch": 5, "repeats": 2}
    one, again, other = (cka(model, model, images, seed=seed, **options) for seed in (1, 1, 2))
    assert one.deviations[0, 0] > 0 and one.values == again.values and one.values != other.values


def test_repeats_that_could_not_differ_are_refused(images):
    tf = pytest.importorskip("tensorflow")
    model, options = small("vit"), {"layers": ("block_0", "block_1"), "repeats": 2}
    with pytest.raises(ValueError, match="one minibatch of 64 holds all 14 images, so repeats can't differ"):
        cka(model, model, images, **options)
    with pytest.raises(ValueError, match="begins with the minibatch of another: shuffle the images anew"):
        cka(model, model, tf.data.Dataset.from_tensor_slices(images).batch(7), **options)
    with pytest.raises(ValueError, match="an iterator has one pass"):
        cka(model, model, iter([images[:7], images[7:]]), **options)
    with pytest.raises(ValueError, match="repeats is how many times.*at least 1, not 0"):
        cka(model, model, images, layers=("block_0", "block_1"), repeats=0)


@pytest.mark.parametrize("family", ["vit", "swin", "resnet"])
def test_parts_of_one_block_alone_exist_at_a_time(family):
    """Tensors within a block die before those of the next are made."""
    model = small(family)
    layers = {layer.name for layer in model.layers}
    most, alive = {}, []

    def reduce(name, x):
        if name not in layers and "carried" not in name:  # which may be the output of the block before
            alive.append((name, weakref.ref(x)))
            living = [each for each, ref in alive if ref() is not None]
            most[name] = {re.sub("_[a-z]+[0-9]?_", "_", "_" + each) for each in living}
        return float(np.mean(x))

    found = reduced(model, list_taps(model), reduce)(np.ones((2, *model.input.shape[1:]), "float32"))
    assert list(found) == list_taps(model) and len(most) > 10
    assert all(len(blocks) == 1 for blocks in most.values()), most


def test_all_taps_are_compared_as_they_are_one_by_one(images):
    vit, resnet = small("vit"), small("resnet")
    names = [name for name in list_taps(vit) if name != "head"], list_taps(resnet)[:9]
    got = cka(vit, resnet, images, layers=names, batch=7)
    for i, j in ((names[0].index("attention_1"), 2), (names[0].index("branch2_2"), 8), (0, 0)):
        alone = cka(vit, resnet, images, layers=(names[0][i], names[1][j]), batch=7)
        np.testing.assert_allclose(got.values[i, j], alone.values[0, 0], atol=1e-9)


def test_pipelines_are_checked_by_id(images):
    tf = pytest.importorskip("tensorflow")
    vit, resnet = small("vit"), small("resnet")
    ids = np.array([f"image {i}" for i in range(14)])

    def stream(order, scale=1.0):
        return tf.data.Dataset.from_tensor_slices({"image": scale * images[order], "id": ids[order]}).batch(7)

    forward, backward = np.arange(14), np.arange(14)[::-1]
    options = {"layers": ("block_1", "stage_1")}
    together = cka(vit, resnet, stream(forward), second_images=stream(forward, 0.5), **options)
    assert np.isfinite(together.values).all()
    with pytest.raises(ValueError, match="minibatch 0 holds .*image 0.* for one model and .*image 13.* for the other"):
        cka(vit, resnet, stream(forward), second_images=stream(backward), **options)
    with pytest.raises(ValueError, match="without an id none can be checked"):
        cka(vit, resnet, images, second_images=images, **options)


def test_a_network_is_like_itself(images):
    model = small("vit")
    found = cka(model, model, images, batch=7)
    assert found.rows == found.columns and found.values.shape == (5, 5)
    np.testing.assert_allclose(np.diag(found.values), 1)
    np.testing.assert_allclose(found.values, found.values.T)


def test_what_has_no_similarity_is_refused(rng):
    x = rng.normal(size=(5, 3))
    with pytest.raises(ValueError, match="a minibatch is 4 images or more, not 3"):
        MinibatchCKA(1, 1).update([x[:3]], [x[:3]])
    with pytest.raises(ValueError, match=r"not \[4, 5\]"):
        MinibatchCKA(1, 1).update([x], [x[:4]])
    constant = MinibatchCKA(2, 1)
    constant.update([x, np.full((5, 3), 0.1)], [x])  # whose mean isn't 0.1 to the last digit
    with pytest.raises(ValueError, match=r"layers \[1\] tell no image from another"):
        constant.result()
    with pytest.raises(ValueError, match="no minibatch was taken yet"):
        MinibatchCKA(1, 1).result()
    with pytest.raises(ValueError, match="one of linear, rbf, not 'cosine'"):
        MinibatchCKA(1, 1, "cosine")
    with pytest.raises(ValueError, match="a positive multiple of the median distance, not 0"):
        MinibatchCKA(1, 1, "rbf", 0)
