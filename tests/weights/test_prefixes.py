"""What other tools put before the names of tensors is found, taken off and said; a nested model loads too."""

import json

import keras
import numpy as np
import pytest
from safetensors.numpy import save_file

import keras_vit
from keras_vit.testing import randomise
from keras_vit.weights import CheckpointError, load_weights
from keras_vit.weights.prefixes import readings

_SIZE = {"blocks": (1, 1, 1, 1), "width": 4, "image_size": 32, "classes": 5}


def _resnet(**options):
    return randomise(keras_vit.build("resnet-18", **{**_SIZE, **options}))


@pytest.fixture(scope="module")
def reference():
    return _resnet()


@pytest.fixture(scope="module")
def tensors(reference):
    return _as_timm(reference)


def _as_timm(model):
    """Returns {timm's name: array} of a ResNet."""
    found = {}
    for weight in model.weights:
        start, _, leaf = weight.path.rpartition("/")
        name = start.replace("embed_norm", "bn1").replace("embed", "conv1").replace("head", "fc")
        name = name.replace("shortcut_norm", "downsample.1").replace("shortcut", "downsample.0")
        for i in range(4):
            name = name.replace(f"stage_{i}_block_", f"layer{i + 1}.")
        name = name.replace("/norm", "/bn").replace("/", ".")
        leaves = {"kernel": "weight", "gamma": "weight", "beta": "bias", "moving_mean": "running_mean"}
        leaf = {**leaves, "moving_variance": "running_var"}.get(leaf, leaf)
        array = np.array(weight)
        array = array.transpose(3, 2, 0, 1) if array.ndim == 4 else array.T
        found[f"{name}.{leaf}"] = np.ascontiguousarray(array)
    return found


@pytest.fixture
def check(reference):
    """Asserts that a model has the weights of the reference."""

    def check(model):
        for got, expected in zip(model.weights, reference.weights, strict=True):
            np.testing.assert_array_equal(got, expected, err_msg=got.path)

    return check


@pytest.mark.parametrize(
    "prefix", ["module.", "model.", "_orig_mod.", "backbone.", "module._orig_mod.", "anything.at.all."]
)
def test_prefix_of_all_names_is_taken_off_and_said(tensors, check, tmp_path, prefix):
    save_file({prefix + name: array for name, array in tensors.items()}, tmp_path / "a.safetensors")
    model = keras_vit.build("resnet-18", **_SIZE)
    report = load_weights(model, tmp_path / "a.safetensors")
    check(model)
    assert f"the prefix {prefix!r} of its names is taken off" in str(report)
    assert report.rows[0].theirs == f"{prefix}conv1.weight"


def test_prefix_of_the_backbone_alone_is_taken_off(tensors, check, tmp_path):
    renamed = {name if name.startswith("fc.") else f"backbone.{name}": array for name, array in tensors.items()}
    save_file({f"model.{name}": array for name, array in renamed.items()}, tmp_path / "a.safetensors")
    model = keras_vit.build("resnet-18", **_SIZE)
    assert "'model.backbone.'" in str(load_weights(model, tmp_path / "a.safetensors"))
    check(model)


@pytest.mark.parametrize("prefix", ["", "module."])
def test_backbone_takes_safetensors_of_a_classifier_without_the_head(reference, tensors, tmp_path, caplog, prefix):
    save_file({prefix + name: array for name, array in tensors.items()}, tmp_path / "a.safetensors")
    backbone = keras_vit.build("resnet-18", weights=tmp_path / "a.safetensors", **{**_SIZE, "classes": 0})
    theirs = {each.path: np.array(each) for each in reference.weights}
    for each in backbone.weights:
        np.testing.assert_array_equal(each, theirs[each.path], err_msg=each.path)
    assert "of 5 classes, is left out" in caplog.text


def test_prefix_is_found_beside_what_is_left(tensors, check, tmp_path):
    both = {f"student.{name}": array for name, array in tensors.items()}
    both |= {f"teacher.{name}": -array for name, array in tensors.items()}
    save_file(both, tmp_path / "a.safetensors")
    model = keras_vit.build("resnet-18", **_SIZE)
    with pytest.raises(CheckpointError, match="no weight for"):
        load_weights(model, tmp_path / "a.safetensors")
    load_weights(model, tmp_path / "a.safetensors", leave="teacher.")
    check(model)


def test_head_is_left_by_its_name_without_the_prefix(tensors, tmp_path):
    save_file({f"module.{name}": array for name, array in tensors.items()}, tmp_path / "a.safetensors")
    report = load_weights(
        keras_vit.build("resnet-18", **{**_SIZE, "classes": 3}), tmp_path / "a.safetensors", leave="head"
    )
    assert [row.ours for row in report.of("left")] == ["head/kernel", "head/bias"]
    report = load_weights(
        keras_vit.build("resnet-18", **{**_SIZE, "classes": 0}), tmp_path / "a.safetensors", leave="fc"
    )
    assert "not needed: module.fc.bias, module.fc.weight" in str(report)


def test_prefixed_names_of_another_family_name_that_family(tmp_path):
    tensors = _as_timm(keras_vit.build("resnet-50", **{**_SIZE, "blocks": (1, 2, 1, 1)}))
    save_file({f"module.{name}": array for name, array in tensors.items()}, tmp_path / "a.safetensors")
    with pytest.raises(CheckpointError, match=r"its names are those of: resnet \(timm names\)$"):
        load_weights(keras_vit.build("mixer-s32", depth=1), tmp_path / "a.safetensors")


def test_prefix_that_tells_names_apart_is_none():
    (only,) = readings(["model.a.x", "a.x"], ())
    assert only.taken == ()


def _shards(tensors, folder, count=3):
    names, places = sorted(tensors), {}
    for i in range(count):
        file = f"model-{i + 1:05}-of-{count:05}.safetensors"
        save_file({name: tensors[name] for name in names[i::count]}, folder / file)
        places |= dict.fromkeys(names[i::count], file)
    return places


def _index(folder, places):
    index = folder / "model.safetensors.index.json"
    index.write_text(json.dumps({"metadata": {}, "weight_map": places}))
    return index


@pytest.mark.parametrize("by", ["index", "folder"])
def test_shards_load_by_their_index_and_by_their_folder(tensors, check, tmp_path, by):
    index = _index(tmp_path, _shards(tensors, tmp_path))
    model = keras_vit.build("resnet-18", weights=index if by == "index" else tmp_path, **_SIZE)
    check(model)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda places: places | {"fc.weight": "../model-00001-of-00003.safetensors"}, "which is no safetensors file"),
        (lambda places: places | {"fc.weight": "model.bin"}, "which is no safetensors file"),
        (lambda places: places | {"fc.weight": "absent.safetensors"}, "'absent.safetensors', which is not beside it"),
        (lambda places: places | {"fc.more": "model-00001-of-00003.safetensors"}, "seeks fc.more in"),
        (lambda places: places | {"fc.weight": 7}, "can't be read as .safetensors.index.json"),
        (lambda places: list(places), "can't be read as .safetensors.index.json"),
    ],
)
def test_index_that_is_wrong_is_refused(tensors, tmp_path, change, says):
    index = _index(tmp_path, change(_shards(tensors, tmp_path)))
    with pytest.raises(CheckpointError, match=says):
        load_weights(_resnet(), index)


def test_folder_without_weights_says_what_it_has(tmp_path):
    (tmp_path / "pytorch_model.bin").write_bytes(b"\x80")
    with pytest.raises(CheckpointError, match=r"has none of model\.safetensors, .*; it has pytorch_model\.bin"):
        keras_vit.build("resnet-18", weights=tmp_path, **_SIZE)


@pytest.fixture
def outer():
    """A model of ours as a layer among others."""
    inner = keras_vit.build("resnet-18", **_SIZE)
    more = [keras.layers.Rescaling(1 / 255), inner, keras.layers.Dense(3, name="mine")]
    return keras.Sequential([keras.Input((32, 32, 3)), *more]), inner


def test_model_within_another_loads_where_what_is_around_it_is_left(outer, tensors, check, tmp_path):
    model, inner = outer
    save_file(tensors, tmp_path / "a.safetensors")
    with pytest.raises(CheckpointError, match="sequential.*/mine/kernel"):
        load_weights(model, tmp_path / "a.safetensors")
    report = load_weights(model, tmp_path / "a.safetensors", leave=f"{model.name}/mine")
    assert report.source == "timm"
    check(inner)


@pytest.mark.parametrize("suffix", ["weights.h5", "keras"])
def test_files_of_a_nested_model_load(outer, tmp_path, suffix):
    model, _ = outer
    randomise(model)
    path = tmp_path / f"a.{suffix}"
    model.save(path) if suffix == "keras" else model.save_weights(path)
    expected = [np.array(weight) for weight in model.weights]
    randomise(model, seed=1)
    load_weights(model, path)
    assert all(np.array_equal(got, old) for got, old in zip(model.weights, expected, strict=True))


def test_two_models_within_one_say_how_they_load(tensors, tmp_path):
    save_file(tensors, tmp_path / "a.safetensors")
    first, second = _resnet(), _resnet()
    first.name, second.name = "first", "second"
    images = keras.Input((32, 32, 3))
    model = keras.Model(images, keras.layers.Average()([first(images), second(images)]), name="both")
    with pytest.raises(CheckpointError, match=r"several weights called .*; .*load_weights\(both\.get_layer\('first'\)"):
        load_weights(model, tmp_path / "a.safetensors")
    load_weights(model.get_layer("first"), tmp_path / "a.safetensors")


def test_model_without_weights_says_so(tensors, tmp_path):
    save_file(tensors, tmp_path / "a.safetensors")
    with pytest.raises(CheckpointError, match="has no weights yet; build it"):
        load_weights(keras.Sequential([keras.layers.Dense(3)]), tmp_path / "a.safetensors")
