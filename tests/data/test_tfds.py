"""Data sets of TensorFlow Datasets: our digits, and small ones made here."""

import collections

import numpy as np
import pytest
import tensorflow_datasets as tfds
from kit.tfds import define
from sklearn.datasets import load_digits

from keras_vit.data import DataError, Preprocessing, decoder, open_source, training_batches

define("TrainTest", {"train": 50, "test": 7})
define("AllThree", {"train": 20, "validation": 5, "test": 7}, channels=1)
define("UnlabelledTest", {"train": 30, "validation": 11, "test": 7}, unlabelled=("test",))
define("TrainOnly", {"train": 40})
define("TestOnly", {"test": 4})
define("FourChannels", {"train": 20, "test": 5}, channels=4)
TEXTS = {"image": tfds.features.Image(), "text": tfds.features.Text()}
define(
    "NoLabels",
    {"train": 9},
    features=TEXTS,
    make=lambda split, i: {"image": np.full((4, 3, 3), i, "uint8"), "text": ""},
)
SCENE = {
    "image": tfds.features.Image(shape=(6, 9, 3)),
    "segmentation": tfds.features.Image(shape=(6, 9, 1)),
    "depth": tfds.features.Tensor(shape=(6, 9), dtype=np.float16),
    "objects": tfds.features.Sequence(
        {"bbox": tfds.features.BBoxFeature(), "label": tfds.features.ClassLabel(names=["cup", "pen"])}
    ),
}


def scene(split, index):
    """A row of `SCENE`; every other has two objects, those of the test split none."""
    rng = np.random.default_rng(index)
    boxes = [tfds.features.BBox(0.1, 0.2, 0.5, 0.25 + index / 100), tfds.features.BBox(0.0, 0.0, 1.0, 1.0)]
    objects = [{"bbox": box, "label": kind} for box, kind in zip(boxes, (1, 0), strict=True)]
    return {
        "image": np.full((6, 9, 3), index, "uint8"),
        "segmentation": rng.integers(0, 5, (6, 9, 1), "uint8"),
        "depth": rng.uniform(1, 9, (6, 9)).astype("float16"),
        "objects": objects if index % 2 and split != "test" else [],
    }


define("Scenes", {"train": 20, "test": 4}, features=SCENE, make=scene)


def ids(source, split):
    return [row["id"].decode() for row in source.examples(split).as_numpy_iterator()]


@pytest.fixture(scope="module")
def digits(tmp_path_factory):
    return open_source("digits", data_dir=tmp_path_factory.mktemp("tfds"))


def test_digits_holds_every_fifth_image_for_the_test_and_cuts_validation_from_train(digits):
    assert digits.labels == tuple("0123456789") and digits.channels == 1
    assert digits.sizes == {"train": 1293, "validation": 144, "test": 360}
    parts = {split: ids(digits, split) for split in digits.sizes}
    assert {split: len(part) for split, part in parts.items()} == digits.sizes
    assert len({each for part in parts.values() for each in part}) == 1797


def test_digits_are_scikit_learns_on_a_scale_of_255(digits):
    decode = Preprocessing(channels=1).decode
    rows = digits.examples("test").map(lambda row: (decode(row["image"]), row["label"]))
    got = collections.Counter((image.tobytes(), int(label)) for image, label in rows.as_numpy_iterator())
    held = load_digits()
    pixels = np.round(held.images[::5] / 16 * 255).astype("uint8")
    want = zip(pixels, held.target[::5], strict=True)
    assert got == collections.Counter((image.tobytes(), int(label)) for image, label in want)


@pytest.mark.parametrize(
    ("name", "sizes", "tests"),
    [
        ("train_test", {"train": 45, "validation": 5, "test": 7}, "test"),
        ("all_three", {"train": 20, "validation": 5, "test": 7}, "test"),
        ("unlabelled_test", {"train": 27, "validation": 3, "test": 11}, "validation"),
        ("train_only", {"train": 32, "validation": 4, "test": 4}, "train"),
    ],
)
def test_each_image_is_in_one_split_and_the_test_has_labels(tmp_path, name, sizes, tests):
    source = open_source(name, data_dir=tmp_path)
    assert source.sizes == sizes and source.labels == ("ant", "bee", "cat")
    parts = {split: ids(source, split) for split in sizes}
    assert {split: len(part) for split, part in parts.items()} == sizes
    assert len({each for part in parts.values() for each in part}) == sum(sizes.values())
    assert all(each.startswith(f"{name}-{tests}.") for each in parts["test"])
    assert all(row["label"] in (0, 1, 2) for row in source.examples("test").as_numpy_iterator())


def test_examples_are_encoded_bytes_beside_their_own_label(tmp_path):
    source = open_source("all_three", data_dir=tmp_path)
    assert source.channels == 1
    for row in source.examples("train").as_numpy_iterator():
        assert row["image"].startswith(b"\x89PNG")
        image = Preprocessing(channels=1).decode(row["image"]).numpy()
        assert image.min() == image.max() and image.max() % 3 == row["label"]


def test_images_without_classes_open_for_a_task_that_asks_for_none(tmp_path):
    source = open_source("no_labels", targets=(), data_dir=tmp_path)
    assert source.targets == {} and source.sizes == {"train": 7, "validation": 1, "test": 1}
    assert {frozenset(row) for row in source.examples("train").as_numpy_iterator()} == {frozenset(("image", "id"))}
    labelled = open_source("unlabelled_test", targets=(), data_dir=tmp_path)
    assert labelled.sizes == {"train": 30, "validation": 11, "test": 7}  # without classes its test split will do


def test_scenes_have_masks_depth_maps_and_boxes_as_they_were_made(tmp_path):
    source = open_source("scenes", targets=("segmentation", "depth", "boxes"), data_dir=tmp_path)
    assert {name: target.kind for name, target in source.targets.items()} == {
        "segmentation": "mask",
        "depth": "depth",
        "boxes": "boxes",
    }
    assert source.targets["boxes"].names == ("cup", "pen")
    assert source.sizes["test"] == 2 and all(each.startswith("scenes-train.") for each in ids(source, "test"))
    for row in source.examples("train").as_numpy_iterator():
        index = int(Preprocessing().decode(row["image"]).numpy().max())
        made, found = scene("train", index), {name: each.decode(row[name]) for name, each in source.targets.items()}
        np.testing.assert_array_equal(found["segmentation"], made["segmentation"])
        np.testing.assert_array_equal(found["depth"][..., 0], made["depth"].astype("float32"))
        boxes = [[*each["bbox"], each["label"]] for each in made["objects"]]
        np.testing.assert_allclose(found["boxes"], np.array(boxes).reshape(-1, 5), atol=1e-6)


def test_scenes_train_and_lose_only_what_cannot_be_decoded(tmp_path):
    source = open_source("scenes", targets=("depth", "boxes"), data_dir=tmp_path)
    decode = decoder(source.targets, Preprocessing((12, 18)), "flip-crop")
    (batch,) = training_batches(source, decode, 16, epochs=1).as_numpy_iterator()
    assert {name: each.shape for name, each in batch.items()} == {
        "image": (16, 12, 18, 3),
        "depth": (16, 12, 18, 1),
        "boxes": (16, 100, 5),
    }
    assert source.skipped == [] and (batch["boxes"][..., 4] >= 0).any()


@pytest.mark.parametrize(
    ("name", "targets", "said"),
    [
        ("train_test", ("depth",), "'train_test' has no depth beside each image .it holds image, label.$"),
        ("train_test", ("boxes",), "'train_test' has no boxes beside each image .it holds image, label.$"),
        ("train_test", ("mask",), "no mask beside each image .it holds image, label.; 'digits_on_photos' has"),
        ("scenes", ("label",), "'scenes' is no data set of single images with one class each"),
        ("scenes", ("image",), "'scenes' has no image beside each image"),
    ],
)
def test_missing_target_is_answered_with_what_there_is(tmp_path, name, targets, said):
    with pytest.raises(DataError, match=said):
        open_source(name, targets=targets, data_dir=tmp_path)


def test_images_with_an_alpha_channel_are_read_as_rgb(tmp_path):
    source = open_source("four_channels", data_dir=tmp_path)
    assert source.channels == 3
    (row,) = source.examples("train").take(1).as_numpy_iterator()
    assert Preprocessing(channels=3).decode(row["image"]).shape == (7, 5, 3)


def test_shuffled_examples_are_a_permutation_by_seed(tmp_path):
    source = open_source("train_test", data_dir=tmp_path)
    in_order = ids(source, "train")
    one, same, other = (
        [row["id"].decode() for row in source.examples("train", seed=seed).as_numpy_iterator()] for seed in (5, 5, 6)
    )
    assert one == same and sorted(one) == sorted(in_order)
    assert one != in_order and one != other


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("cifar1O", "no data set 'cifar1O' .did you mean 'cifar10'"),
        ("qqqq", "no data set 'qqqq' .it has [0-9]+ others.; 'digits' needs no download"),
        ("cifar10:9.9.9", "can't open 'cifar10:9.9.9': .*only: 3"),
        ("cifar10/large", "can't open 'cifar10/large': .*BuilderConfig large not found"),
        ("no_labels", "'no_labels' is no data set of single images with one class each .it holds image, text"),
        ("coco", "'coco' is no data set of single images"),
        ("test_only", "'test_only' has no split 'train' to train on; it has test"),
        ("by_hand", r"put its archives into .*/downloads/manual .*Ask the owner for ants\.tar"),
        ("", "a data set is named by a string such as 'digits'"),
        (None, "not None"),
    ],
)
def test_unusable_data_set_is_answered_with_a_sentence(tmp_path, name, said):
    with pytest.raises(DataError, match=said):
        open_source(name, data_dir=tmp_path)


def test_share_for_validation_must_leave_something_to_train_on(tmp_path):
    with pytest.raises(DataError, match=r"validation=0\.7.*between 0 and 0\.5"):
        open_source("digits", data_dir=tmp_path, validation=0.7)


def test_unknown_split_is_answered_with_those_that_exist(digits):
    with pytest.raises(DataError, match="no split 'dev'; digits has 'train', 'validation', 'test'"):
        digits.examples("dev")
