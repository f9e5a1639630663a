"""Linear probes are least squares in closed form, on what each layer gives."""

import numpy as np
import pytest

from keras_vit.analysis import probe
from keras_vit.taps import tap
from keras_vit.testing import small

pytest.importorskip("sklearn")
CLASSES = 3


@pytest.fixture
def data(rng):
    """Images whose class shows weakly in the brightness of one half: train and test, of uneven classes."""

    def split(count):
        labels = rng.choice([2, 4, 9], count, p=(0.5, 0.3, 0.2))
        images = rng.normal(size=(count, 32, 32, 3)).astype("float32")
        images[labels == 4, :, 16:] += 0.3
        images[labels == 9, 16:] -= 0.3
        return images, labels

    return split(61), split(47)


def by_hand(known, labels, unknown, expected, penalty):
    """Normal equations with an intercept that isn't penalised."""
    mean, deviation = known.mean(0), known.std(0)
    x, z = (np.column_stack([(each - mean) / deviation, np.ones(len(each))]) for each in (known, unknown))
    classes = np.unique(labels)
    y = np.where(labels[:, None] == classes, 1.0, -1.0)
    weights = np.diag([penalty] * known.shape[1] + [0.0])
    return np.mean(classes[(z @ np.linalg.solve(x.T @ x + weights, x.T @ y)).argmax(1)] == expected)


@pytest.mark.parametrize("penalty", [1.0, 300.0])
def test_accuracy_is_that_of_the_normal_equations(data, penalty):
    model = small("vit")
    (images, labels), (others, expected) = data
    got = probe(model, *data, ["embed", "block_1", "mlp_2", "head"], penalty=penalty, batch=16)
    cells = {"embed": lambda x: x.mean((1, 2)), "head": lambda x: x}
    for name, accuracy in got.items():
        pool = cells.get(name, lambda x: x[:, 1:].mean(1))
        known, unknown = (pool(np.asarray(tap(model, name)(each)[name], "float64")) for each in (images, others))
        assert accuracy == pytest.approx(by_hand(known, labels, unknown, expected, penalty))
    assert len(set(got.values())) > 2 and max(got.values()) > 0.5


def test_class_token_can_be_read_instead_where_there_is_one(data):
    model = small("vit")
    got = probe(model, *data, pool="token")
    assert list(got) == ["block_0", "block_1", "block_2", "norm"]
    (images, labels), (others, expected) = data
    known, unknown = (np.asarray(tap(model, "norm")(each)["norm"], "float64")[:, 0] for each in (images, others))
    assert got["norm"] == pytest.approx(by_hand(known, labels, unknown, expected, 1.0))
    with pytest.raises(ValueError, match="embed of vit-ti16 has no token before its cells; take pool='mean'"):
        probe(model, *data, ["embed", "norm"], pool="token")


def test_pipelines_and_arrays_are_probed_alike(data):
    tf = pytest.importorskip("tensorflow")
    model = small("resnet")
    streams = [tf.data.Dataset.from_tensor_slices(each).batch(17) for each in data]
    assert probe(model, *streams) == probe(model, *data)
    shots = {"shots": 4, "seed": 3}
    assert probe(model, *streams, **shots) == probe(model, *data, **shots)


def test_few_shots_learn_from_so_many_of_each_class(data, monkeypatch):
    linear_model = pytest.importorskip("sklearn.linear_model")
    seen, fit = [], linear_model.RidgeClassifier.fit

    def spy(self, x, y):
        seen.append((np.unique(y, return_counts=True), x.tobytes()))
        return fit(self, x, y)

    monkeypatch.setattr(linear_model.RidgeClassifier, "fit", spy)
    model = small("vit")
    for seed in (1, 1, 2):
        probe(model, *data, "norm", shots=5, seed=seed)
    for (classes, counts), _ in seen:
        assert classes.tolist() == [2, 4, 9] and counts.tolist() == [5, 5, 5]
    assert seen[0][1] == seen[1][1] != seen[2][1]
    with pytest.raises(ValueError, match=r"class \d has \d+ images; shots is from 1 to that, not 40"):
        probe(model, *data, "norm", shots=40)


def test_what_cannot_be_probed_is_refused(data):
    model = small("vit")
    (images, labels), test = data
    with pytest.raises(ValueError, match="'query_1' of vit-ti16 gives .*no cells of a map"):
        probe(model, *data, "query_1")
    with pytest.raises(ValueError, match="pool is one of mean, token, not 'max'"):
        probe(model, *data, pool="max")
    with pytest.raises(ValueError, match=r"one class for each of 61 images, not \(61, 3\)"):
        probe(model, (images, np.eye(3)[labels % 3]), test)
    with pytest.raises(ValueError, match="train holds one class only, 1"):
        probe(model, (images, np.ones(61, int)), test)
    with pytest.raises(ValueError, match="no minibatch"):
        probe(model, [], test)
