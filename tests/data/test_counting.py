"""How many images of each class a split has: of folders, of parts of them, and of TensorFlow Datasets."""

import numpy as np
import pytest
from kit.small_images import png
from kit.tfds import define

from keras_vit.data import class_counts, open_source, subset, tfds, uneven

define("Counted", {"train": 31, "test": 8})  # classes 0, 1, 2 in turn


@pytest.fixture
def photos(tmp_path):
    for label, count in {"cat": 100, "dog": 4, "one": 1}.items():
        (tmp_path / "photos" / label).mkdir(parents=True)
        for i in range(count):
            (tmp_path / "photos" / label / f"{i}.png").write_bytes(png(i))
    return f"folder:{tmp_path / 'photos'}"


def counted(source):
    """Returns {split: images of each class} by reading every row."""
    return {
        split: np.bincount([row["label"] for row in source.examples(split).as_numpy_iterator()], minlength=3)
        for split in source.sizes
    }


def assert_equal(ours, theirs):
    assert ours.keys() == theirs.keys()
    for split, images in theirs.items():
        np.testing.assert_array_equal(ours[split], images)


def test_counts_are_those_of_the_rows_of_a_folder_and_of_a_part_of_it(photos):
    source = open_source(photos)
    assert_equal(class_counts(source), counted(source))
    part = subset(source, 0.3)
    assert_equal(class_counts(part), counted(part))
    assert class_counts(part)["train"].tolist() == [round(0.3 * class_counts(source)["train"][0]), 1, 1]


def test_rare_class_lies_in_each_split_and_a_single_image_in_training(photos):
    for fraction in (1.0, 0.05):
        counts = class_counts(subset(open_source(photos), fraction))
        assert all(images[1] >= 1 for images in counts.values()), counts
        assert [images[2] for images in counts.values()] == [1, 0, 0]


def test_counts_of_a_data_set_of_tfds_are_those_of_its_slices(tmp_path):
    source = open_source("counted", data_dir=tmp_path)
    assert_equal(class_counts(source), counted(source))


def test_splits_that_are_long_to_read_are_not_counted(tmp_path, monkeypatch):
    monkeypatch.setattr(tfds, "_COUNTED_BYTES", 10)
    source = open_source("counted", data_dir=tmp_path)
    assert class_counts(source) is None and class_counts(subset(source, 0.5)) is None


def test_images_without_classes_have_no_counts(photos):
    assert class_counts(open_source(photos, targets=())) is None


@pytest.mark.parametrize(("counts", "expected"), [((60, 40), False), ((61, 40), True), ((5, 0), True), ((9, 9), False)])
def test_classes_are_uneven_where_one_has_half_again_as_many_images_as_another(counts, expected):
    half = np.array(counts) // 2
    assert uneven({"train": half, "test": np.array(counts) - half}) is expected
