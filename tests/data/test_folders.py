"""A person's own images: layouts, splits, and every folder that can't be used."""

import collections

import numpy as np
import pytest
from PIL import Image

from keras_vit.data import DataError, open_source


def fill(folder, count, ending="png"):
    folder.mkdir(parents=True, exist_ok=True)
    for index in range(count):
        grey = np.full((7, 5, 3), index, "uint8")
        Image.fromarray(grey).save(folder / f"{index:03}.{ending}")


def rows(source, split):
    examples = source.examples(split).as_numpy_iterator()
    return [(row["id"].decode(), int(row["label"]), row["image"]) for row in examples]


def test_class_folders_are_split_by_seed_with_each_class_in_its_share(tmp_path):
    for name, count in {"cat": 40, "ant": 20, "bee": 60}.items():
        fill(tmp_path / name, count, {"cat": "jpg", "ant": "PNG", "bee": "bmp"}[name])
    source = open_source(f"folder:{tmp_path}", seed=3)
    assert source.labels == ("ant", "bee", "cat") and source.channels == 3
    assert source.sizes == {"train": 96, "validation": 12, "test": 12}
    parts = {split: rows(source, split) for split in source.sizes}
    ids = [row[0] for part in parts.values() for row in part]
    assert len(set(ids)) == 120
    assert all(source.labels[label] == name.partition("/")[0] for part in parts.values() for name, label, _ in part)
    counts = collections.Counter(label for _, label, _ in parts["test"])
    assert counts == {0: 2, 1: 6, 2: 4}
    assert all(image == (tmp_path / name).read_bytes() for name, _, image in parts["train"])
    again = open_source(f"folder:{tmp_path}", seed=3)
    assert rows(again, "validation") == parts["validation"]
    assert rows(open_source(f"folder:{tmp_path}", seed=4), "validation") != parts["validation"]


def test_only_image_of_a_class_stays_in_the_training_split(tmp_path):
    fill(tmp_path / "many", 30)
    fill(tmp_path / "one", 1)
    source = open_source(f"folder:{tmp_path}")
    assert {label for _, label, _ in rows(source, "train")} == {0, 1}


@pytest.mark.parametrize("name", ["validation", "val", "valid"])
def test_split_folders_are_taken_as_they_are(tmp_path, name):
    for split, count in {"train": 5, name: 3, "test": 2}.items():
        fill(tmp_path / split / "ant", count)
        fill(tmp_path / split / "bee", count)
    source = open_source(f"folder:{tmp_path}")
    assert source.sizes == {"train": 10, "validation": 6, "test": 4}
    assert rows(source, "test")[0][0] == "test/ant/000.png"
    assert all(row[0].startswith(f"{name}/") for row in rows(source, "validation"))


@pytest.mark.parametrize("held_out", ["val", "test"])
def test_the_one_held_out_folder_is_the_test_and_validation_is_cut_from_train(tmp_path, held_out):
    for split, count in {"train": 20, held_out: 3}.items():
        fill(tmp_path / split / "ant", count)
        fill(tmp_path / split / "bee", count)
    source = open_source(f"folder:{tmp_path}", validation=0.2)
    assert source.sizes == {"train": 32, "validation": 8, "test": 6}
    assert all(row[0].startswith(f"{held_out}/") for row in rows(source, "test"))
    assert all(row[0].startswith("train/") for row in rows(source, "validation"))


def test_train_folder_alone_is_cut_twice(tmp_path):
    fill(tmp_path / "train" / "ant", 10)
    fill(tmp_path / "train" / "bee", 10)
    assert open_source(f"folder:{tmp_path}").sizes == {"train": 16, "validation": 2, "test": 2}


def test_other_files_are_left_out_with_a_warning_and_hidden_ones_without(tmp_path):
    fill(tmp_path / "ant", 5)
    fill(tmp_path / "bee", 5)
    (tmp_path / "bee" / ".hidden").write_text("x")
    (tmp_path / "bee" / "notes.txt").write_text("x")
    with pytest.warns(UserWarning, match=r"1 entries, such as .*notes\.txt"):
        source = open_source(f"folder:{tmp_path}")
    assert sum(source.sizes.values()) == 10


def make_nothing(root):
    del root


def make_one_class(root):
    fill(root / "ant", 3)


def make_empty_class(root):
    fill(root / "ant", 3)
    (root / "bee").mkdir()


def make_other_classes(root):
    for name in ("train/ant", "train/bee", "test/ant", "test/cow"):
        fill(root / name, 3)


def make_no_train(root):
    fill(root / "test/ant", 3)


def make_two_images(root):
    fill(root / "ant", 1)
    fill(root / "bee", 1)


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (make_nothing, "no class folders; expected is FOLDER/train/CLASS"),
        (make_one_class, "only the class folder 'ant', and two are needed"),
        (make_empty_class, r"bee has no images; they end in \.jpg"),
        (make_other_classes, "must be the same, and 'bee', 'cow'"),
        (make_no_train, "has test/ but no train/"),
        (make_two_images, "has 2 images, too few: nothing is left for train"),
    ],
)
def test_unusable_folder_is_answered_with_what_is_wrong(tmp_path, make, said):
    make(tmp_path)
    with pytest.raises(DataError, match=said):
        open_source(f"folder:{tmp_path}")


def test_missing_folder_is_named(tmp_path):
    with pytest.raises(DataError, match=r"no folder '.*absent'; folder:PATH expects FOLDER/train"):
        open_source(f"folder:{tmp_path}/absent")
    with pytest.raises(DataError, match="no folder"):
        open_source("folder:")
