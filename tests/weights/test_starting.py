"""A model started from a file gets a new head where the file's doesn't fit, and inherits what is true of it."""

import dataclasses
import logging

import numpy as np
import pytest

import keras_vit
from keras_vit import bundle, data
from keras_vit.layers.position import resize_table
from keras_vit.taps import tap
from keras_vit.testing import randomise, small
from keras_vit.weights import CheckpointError, load_weights, published, start_from

_SIZE = {"width": 12, "depth": 1, "heads": 3, "mlp_dim": 20, "patch": 8, "image_size": 16}
_LABELS = ("ant", "bee", "cat", "dog", "elk")
_PREPROCESSING = data.Preprocessing((16, 16), 3, (0.1, 0.2, 0.3), (0.4, 0.5, 0.6), "bicubic", 0.7)


def build(**options):
    return keras_vit.build("vit-ti16", **{**_SIZE, "classes": 5, **options})


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """(model, folder) of a model of five labels as a training saves it."""
    folder = tmp_path_factory.mktemp("run")
    model = randomise(build())
    bundle.update(model, labels=_LABELS, preprocessing=_PREPROCESSING)
    model.save(folder / "best.keras")
    model.save_weights(folder / "best.weights.h5")
    return model, folder


def weight(model, path):
    return np.array(next(each for each in model.weights if each.path == path))


@pytest.mark.parametrize("file", ["best.keras", "best.weights.h5", "."])
def test_other_classes_make_a_new_head_and_say_so(saved, caplog, file):
    model, folder = saved
    with caplog.at_level(logging.WARNING, "keras_vit"):
        started = build(weights=folder / file, classes=7)
    assert "has 5 classes, the model 7: its head is new" in caplog.text
    assert "head/kernel" in caplog.text and "left as it was" in caplog.text
    np.testing.assert_array_equal(weight(started, "block_0/mlp/fc1/kernel"), weight(model, "block_0/mlp/fc1/kernel"))
    assert not weight(started, "head/kernel").any()
    assert bundle.of(started).labels == ()
    if file != "best.weights.h5":
        assert "its 5 labels are not taken along" in caplog.text
        assert data.model_preprocessing(started) == _PREPROCESSING


def test_head_is_new_only_for_classes_that_were_asked_for(saved, tmp_path):
    with pytest.raises(CheckpointError, match=r"its head is one of 5 classes, which build\(…, classes=5\) has"):
        keras_vit.build("vit-ti16", weights=saved[1] / "best.keras", **_SIZE)
    build(classes=0).save_weights(tmp_path / "backbone.weights.h5")
    with pytest.raises(CheckpointError, match="its head is none; for a head of your own pass"):
        keras_vit.build("vit-ti16", weights=tmp_path / "backbone.weights.h5", **_SIZE)


def test_as_many_classes_keep_head_and_labels(saved, caplog):
    model, folder = saved
    started = build(weights=folder / "best.keras")
    assert not caplog.text and bundle.of(started).labels == _LABELS
    np.testing.assert_array_equal(weight(started, "head/kernel"), weight(model, "head/kernel"))
    report = load_weights(build(), folder / "best.keras")
    assert report.classes == 5 and "its 5 labels are taken along with its head" in str(report)


def test_labels_go_with_the_head_alone(saved):
    _, folder = saved
    model = build()
    bundle.update(model, labels=list("vwxyz"))
    assert "its 5 labels are not taken along" in str(load_weights(model, folder / "best.keras", leave="head"))
    assert bundle.of(model).labels == tuple("vwxyz")
    load_weights(model, folder / "best.keras")
    assert bundle.of(model).labels == _LABELS


def test_backbone_takes_no_head_and_its_file_begins_a_classifier(saved, tmp_path, caplog):
    _, folder = saved
    backbone = build(weights=folder / "best.keras", classes=0)
    assert bundle.of(backbone).labels == ()
    backbone.save(tmp_path / "backbone.keras")
    started = build(weights=tmp_path / "backbone.keras", classes=3)
    assert "has no head, the model 3: its head is new" in caplog.text
    assert data.model_preprocessing(started) == _PREPROCESSING


def test_norm_that_begins_a_head_is_new_with_it(tmp_path, caplog):
    options = {"blocks": (1, 1, 1, 1), "width": 4, "image_size": 32}
    keras_vit.build("convnext-atto", classes=0, **options).save_weights(tmp_path / "a.weights.h5")
    keras_vit.build("convnext-atto", classes=3, weights=tmp_path / "a.weights.h5", **options)
    assert "fc_norm/gamma" in caplog.text and "has no head, the model 3: its head is new" in caplog.text
    keras_vit.build("convnext-atto", classes=3, **options).save_weights(tmp_path / "b.weights.h5")
    keras_vit.build("convnext-atto", classes=0, weights=tmp_path / "b.weights.h5", **options)


def test_what_does_not_fit_beside_the_head_is_still_refused(saved):
    with pytest.raises(CheckpointError, match=r"block_0/mlp/fc1/kernel is \(12, 24\)"):
        build(weights=saved[1] / "best.keras", classes=7, mlp_dim=24)


def test_grey_model_and_other_size_inherit_the_preprocessing(saved):
    started = build(weights=saved[1] / "best.keras", classes=7, channels=1, image_size=(24, 32))
    got = data.model_preprocessing(started)
    assert (got.image_size, got.channels, got.interpolation, got.crop) == ((24, 32), 1, "bicubic", 0.7)
    assert (got.mean, got.std) == (pytest.approx(0.2), pytest.approx(0.5))


def test_published_square_table_is_known_to_be_square(tmp_path, monkeypatch):
    square = randomise(build(image_size=32))  # 4x4
    tensors = {each.path: np.array(each) for each in square.weights}
    rows = np.concatenate([tensors["class_token/position"], tensors["position/table"].reshape(16, 12)])[None]
    arrays = _as_npz(tensors) | {"Transformer/posembed_input/pos_embedding": rows, "cls": tensors["class_token/token"]}
    np.savez(tmp_path / "vit.npz", **arrays)
    known = dataclasses.replace(published("vit-ti16")["augreg_in21k_ft_in1k"], source="npz", classes=5)
    monkeypatch.setattr("keras_vit.models.published", lambda name: {"square": known})
    monkeypatch.setattr("keras_vit.models.fetch", lambda checkpoint: str(tmp_path / "vit.npz"))
    started = build(image_size=(16, 64), weights="square")
    expected = resize_table(tensors["position/table"], (2, 8))
    np.testing.assert_allclose(weight(started, "position/table"), expected, atol=1e-6)


def _as_npz(tensors):
    """Returns the release's {name: array} of a ViT of one block without its tokens and positions."""
    found = {}
    block = "Transformer/encoderblock_0"
    names = {
        "embed": "embedding", "norm": "Transformer/encoder_norm", "head": "head",
        "block_0/norm1": f"{block}/LayerNorm_0", "block_0/norm2": f"{block}/LayerNorm_2",
        "block_0/mlp/fc1": f"{block}/MlpBlock_3/Dense_0", "block_0/mlp/fc2": f"{block}/MlpBlock_3/Dense_1",
        "block_0/attention/out": f"{block}/MultiHeadDotProductAttention_1/out",
    }  # fmt: skip
    for path, array in tensors.items():
        start, _, leaf = path.rpartition("/")
        if start in names:
            leaf = {"gamma": "scale", "beta": "bias"}.get(leaf, leaf)
            found[f"{names[start]}/{leaf}"] = array
        if start == "block_0/attention/qkv":
            for part, piece in zip(("query", "key", "value"), np.split(array, 3, axis=-1), strict=True):
                found[f"{block}/MultiHeadDotProductAttention_1/{part}/{leaf}"] = piece
    return found


@pytest.mark.parametrize("file", ["best.keras", "best.weights.h5", "."])
def test_features_come_from_a_classifiers_file_and_its_head_is_left_out_and_said(saved, caplog, file, rng):
    model, folder = saved
    with caplog.at_level(logging.WARNING, "keras_vit"):
        backbone = build(weights=folder / file, classes=0)
    assert f"the head of {folder / file}, of 5 classes, is left out: vit-ti16 gives features" in caplog.text
    images = rng.normal(size=(2, 16, 16, 3)).astype("float32")
    tokens = np.asarray(tap(model, "norm")(images)["norm"])
    features = backbone(images)
    np.testing.assert_allclose(np.reshape(features["map"], (2, 4, 12)), tokens[:, 1:], rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(features["prefix"], tokens[:, :1], rtol=1e-5, atol=1e-6)
    assert bundle.of(backbone).labels == ()


@pytest.mark.parametrize("family", keras_vit.list_families())
def test_every_backbone_takes_all_its_weights_from_its_classifiers_file(family, tmp_path):
    classifier, backbone = small(family), small(family, classes=0)
    classifier.save(tmp_path / "classifier.keras")
    start_from(backbone, tmp_path / "classifier.keras")
    theirs = {each.path: np.array(each) for each in classifier.weights}
    for each in backbone.weights:
        np.testing.assert_array_equal(each, theirs[each.path], err_msg=each.path)
