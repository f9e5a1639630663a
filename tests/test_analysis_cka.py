"""Minibatch CKA is the formula of its paper, to six digits, whatever the means of the features."""

import csv

import numpy as np
import pytest

import keras_vit
from keras_vit.analysis import MinibatchCKA, compare, similarity_picture
from keras_vit.taps import tap
from keras_vit.testing import small


def hsic(k, m):
    """Song et al. 2012, equation 5, with its three terms."""
    n = len(k)
    k, m = k - np.diag(np.diag(k)), m - np.diag(np.diag(m))
    ones = np.ones(n)
    terms = (
        np.trace(k @ m)
        + (ones @ k @ ones) * (ones @ m @ ones) / ((n - 1) * (n - 2))
        - 2 / (n - 2) * ones @ k @ m @ ones
    )
    return terms / (n * (n - 3))


def linear(x):
    x = np.asarray(x, "float64").reshape(len(x), -1)
    return x @ x.T


def rbf(x):
    x = np.asarray(x, "float64").reshape(len(x), -1)
    squares = ((x[:, None] - x) ** 2).sum(-1)
    return np.exp(-squares / (2 * 0.8**2 * np.median(squares[np.triu_indices(len(x), 1)])))


def cka_by_hand(first, second, gram):
    """`first` and `second`: minibatches of layers."""

    def mean(one, i, other, j):
        return np.mean([hsic(gram(a[i]), gram(b[j])) for a, b in zip(one, other, strict=True)])

    return np.array([
        [mean(first, i, second, j) / np.sqrt(mean(first, i, first, i) * mean(second, j, second, j))
         for j in range(len(second[0]))] for i in range(len(first[0]))
    ])  # fmt: skip


@pytest.mark.parametrize("mean", [0, 100])
@pytest.mark.parametrize(("kernel", "gram"), [("linear", linear), ("rbf", rbf)])
def test_cka_agrees_with_the_three_terms_of_its_estimator(rng, mean, kernel, gram):
    def layers(widths, shared):
        return [(shared @ rng.normal(size=(7, w)) + rng.normal(size=(13, w)) + mean).astype("float32") for w in widths]

    batches = [(layers((5, 53), shared), layers((3, 11, 17), shared)) for shared in rng.normal(size=(3, 13, 7))]
    cka = MinibatchCKA(2, 3, kernel, bandwidth=0.8 if kernel == "rbf" else 1.0)
    for each in batches:
        cka.update(*each)
    expected = cka_by_hand(*zip(*batches, strict=True), gram)
    np.testing.assert_allclose(cka.result(), expected, atol=1e-6)
    assert expected.min() > 0.1


def test_independent_layers_have_none_and_turned_ones_all(rng):
    cka = MinibatchCKA(1, 2)
    turn = np.linalg.qr(rng.normal(size=(101, 101)))[0]
    for _ in range(30):
        x = rng.normal(size=(16, 101))
        cka.update([x], [rng.normal(size=(16, 101)), 3 * x @ turn + 5])
    got = cka.result()[0]
    assert abs(got[0]) < 0.05  # the biased estimator gives 0.87
    np.testing.assert_allclose(got[1], 1, atol=1e-9)


@pytest.fixture
def images(rng):
    return rng.normal(size=(14, 32, 32, 3)).astype("float32")


def test_two_models_are_compared_in_one_pass(images):
    vit, resnet = small("vit"), small("resnet")
    names = ["embed", "attention_1", "mlp_2"], ["stage_0", "stage_1"]
    got = compare(vit, resnet, images, layers=names, batch=6)
    batches = []
    for model, of in zip((vit, resnet), names, strict=True):
        given = [tap(model, of)(images[i : i + 6]) for i in (0, 6)]  # the last 2 are left out
        batches.append([[np.asarray(each[name]) for name in of] for each in given])
    np.testing.assert_allclose(got.values, cka_by_hand(*batches, linear), atol=1e-6)
    assert got.rows == tuple(names[0]) and got.models == ("vit-ti16", "resnet-18")


def test_pipelines_are_checked_by_id(images):
    tf = pytest.importorskip("tensorflow")
    vit, resnet = small("vit"), small("resnet")
    ids = np.array([f"image {i}" for i in range(14)])

    def stream(order, scale=1.0):
        return tf.data.Dataset.from_tensor_slices({"image": scale * images[order], "id": ids[order]}).batch(7)

    forward, backward = np.arange(14), np.arange(14)[::-1]
    options = {"layers": ("block_1", "stage_1")}
    together = compare(vit, resnet, stream(forward), second_images=stream(forward, 0.5), **options)
    assert np.isfinite(together.values).all()
    with pytest.raises(ValueError, match="minibatch 0 holds .*image 0.* for one model and .*image 13.* for the other"):
        compare(vit, resnet, stream(forward), second_images=stream(backward), **options)
    with pytest.raises(ValueError, match="without an id none can be checked"):
        compare(vit, resnet, images, second_images=images, **options)


def test_heat_map_and_table_hold_every_pair(tmp_path, images):
    plt = pytest.importorskip("matplotlib.pyplot")
    model, control = small("vit"), keras_vit.testing.randomise(small("vit"), seed=5)
    trained, untrained = (compare(each, each, images, batch=7) for each in (model, control))
    np.testing.assert_allclose(np.diag(trained.values), 1)
    np.testing.assert_allclose(trained.values, trained.values.T)
    trained.save_csv(tmp_path / "cka.csv")
    with (tmp_path / "cka.csv").open() as file:
        lines = list(csv.reader(file))
    assert lines[0] == ["layer of vit-ti16", "layer of vit-ti16", "cka"] and len(lines) == 1 + 25
    assert lines[2] == ["embed", "block_0", repr(float(trained.values[0, 1]))]
    similarity_picture(tmp_path / "cka.png", trained, untrained)
    picture = plt.imread(tmp_path / "cka.png")
    assert picture.shape[0] > 300 and len(np.unique(picture.reshape(-1, picture.shape[-1]), axis=0)) > 20
    assert sorted(path.name for path in tmp_path.iterdir()) == ["cka.csv", "cka.png"]
    with pytest.raises(ValueError, match=r"compares \(1, 1\) layers, not \(5, 5\)"):
        similarity_picture(
            tmp_path / "cka.png", trained, compare(model, model, images, layers=("embed", "embed"), batch=7)
        )


def test_what_has_no_similarity_is_refused(rng):
    x = rng.normal(size=(5, 3))
    with pytest.raises(ValueError, match="a minibatch is 4 images or more, not 3"):
        MinibatchCKA(1, 1).update([x[:3]], [x[:3]])
    with pytest.raises(ValueError, match=r"not \[4, 5\]"):
        MinibatchCKA(1, 1).update([x], [x[:4]])
    constant = MinibatchCKA(2, 1)
    constant.update([x, np.ones((5, 3))], [x])
    with pytest.raises(ValueError, match=r"layers \[1\] tell no image from another"):
        constant.result()
    with pytest.raises(ValueError, match="no minibatch was taken yet"):
        MinibatchCKA(1, 1).result()
    with pytest.raises(ValueError, match="one of linear, rbf, not 'cosine'"):
        MinibatchCKA(1, 1, "cosine")
    with pytest.raises(ValueError, match="a positive multiple of the median distance, not 0"):
        MinibatchCKA(1, 1, "rbf", 0)
