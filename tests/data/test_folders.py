"""A person's own images: layouts, splits, and every folder that can't be used."""

import collections

import numpy as np
import pytest
from PIL import Image

from keras_vit.data import DataError, Preprocessing, class_counts, decoder, open_source, subset, training_batches


def fill(folder, count, ending="png"):
    folder.mkdir(parents=True, exist_ok=True)
    for index in range(count):
        grey = np.full((7, 5, 3), index, "uint8")
        Image.fromarray(grey).save(folder / f"{index:03}.{ending}")


def rows(source, split):
    examples = source.examples(split).as_numpy_iterator()
    return [(row["id"].decode(), int(row["label"]), row["image"]) for row in examples]


def test_class_folders_are_split_with_each_class_in_about_its_share(tmp_path):
    for name, count in {"cat": 60, "ant": 30, "bee": 90}.items():
        fill(tmp_path / name, count, {"cat": "jpg", "ant": "PNG", "bee": "bmp"}[name])
    source = open_source(f"folder:{tmp_path}")
    assert source.labels == ("ant", "bee", "cat") and source.channels == 3
    parts = {split: rows(source, split) for split in source.sizes}
    assert {split: len(part) for split, part in parts.items()} == source.sizes
    ids = [row[0] for part in parts.values() for row in part]
    assert len(set(ids)) == len(ids) == 180
    assert all(source.labels[label] == name.partition("/")[0] for part in parts.values() for name, label, _ in part)
    for split in ("test", "validation"):
        counts = collections.Counter(label for _, label, _ in parts[split])
        assert counts.keys() == {0, 1, 2} and 9 <= counts.total() <= 30 and counts[0] < counts[1]
    assert all(image == (tmp_path / name).read_bytes() for name, _, image in parts["train"])
    assert rows(open_source(f"folder:{tmp_path}"), "validation") == parts["validation"]
    assert rows(open_source(f"folder:{tmp_path}", split_seed=4), "validation") != parts["validation"]


def test_only_image_of_a_class_stays_in_the_training_split(tmp_path):
    fill(tmp_path / "many", 30)
    fill(tmp_path / "one", 1)
    source = open_source(f"folder:{tmp_path}")
    assert {label for _, label, _ in rows(source, "train")} == {0, 1}
    counts = class_counts(source)
    assert [counts[split][1] for split in ("train", "validation", "test")] == [1, 0, 0]


def test_source_names_its_images_split_by_split_and_a_part_of_it_names_its_own(tmp_path):
    for label in ("ant", "bee"):
        fill(tmp_path / label, 30)
    source = open_source(f"folder:{tmp_path}")
    for each in (source, subset(source, 0.5)):
        assert {split: each.ids(split) for split in each.sizes} == {
            split: tuple(row[0] for row in rows(each, split)) for split in each.sizes
        }


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
def test_the_one_held_out_folder_is_the_test_and_validation_is_cut_from_train(tmp_path, recwarn, held_out):
    for split, count in {"train": 20, held_out: 3}.items():
        fill(tmp_path / split / "ant", count)
        fill(tmp_path / split / "bee", count)
    source = open_source(f"folder:{tmp_path}", validation=0.2)
    assert source.sizes["test"] == 6 and source.sizes["train"] + source.sizes["validation"] == 40
    assert 2 <= source.sizes["validation"] <= 16
    assert all(row[0].startswith(f"{held_out}/") for row in rows(source, "test"))
    assert all(row[0].startswith("train/") for row in rows(source, "validation"))
    said = ["has no test/: its validation folder is the test split" in str(each.message) for each in recwarn]
    assert said == ([True] if held_out == "val" else [])


def test_train_folder_alone_is_cut_twice(tmp_path):
    fill(tmp_path / "train" / "ant", 10)
    fill(tmp_path / "train" / "bee", 10)
    sizes = open_source(f"folder:{tmp_path}").sizes
    assert sum(sizes.values()) == 20 and sizes["train"] >= 10 and min(sizes.values()) >= 2


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
        (make_two_images, "has 2 images, too few: nothing is left for validation and test|test and validation"),
    ],
)
def test_unusable_folder_is_answered_with_what_is_wrong(tmp_path, make, said):
    make(tmp_path)
    with pytest.raises(DataError, match=said):
        open_source(f"folder:{tmp_path}")


@pytest.mark.parametrize("depth", ["", "2024", "2024/june"])
def test_plain_images_open_for_a_task_that_asks_for_no_targets(tmp_path, depth):
    fill(tmp_path / depth, 40)
    fill(tmp_path / ".hidden", 3)
    source = open_source(f"folder:{tmp_path}", targets=())
    assert source.targets == {} and sum(source.sizes.values()) == 40 and source.sizes["train"] >= 24
    parts = {split: list(source.examples(split).as_numpy_iterator()) for split in source.sizes}
    assert all(row.keys() == {"image", "id"} for part in parts.values() for row in part)
    names = [row["id"].decode() for part in parts.values() for row in part]
    assert sorted(names) == sorted(path.relative_to(tmp_path).as_posix() for path in (tmp_path / depth).glob("*.png"))
    assert all(row["image"] == (tmp_path / row["id"].decode()).read_bytes() for row in parts["train"])
    with pytest.raises(DataError, match=r"the images of folder:.* have no class; nothing is known of them"):
        _ = source.labels


def test_images_in_class_folders_are_plain_images_too(tmp_path):
    for split, count in {"train": 5, "test": 2}.items():
        fill(tmp_path / split / "ant", count)
        fill(tmp_path / split / "bee", count)
    (tmp_path / "elsewhere").symlink_to(tmp_path / "train" / "ant")
    source = open_source(f"folder:{tmp_path}", targets=())
    assert source.sizes["test"] == 4 and sum(source.sizes.values()) == 14  # beside train/ nothing counts
    (tmp_path / "train" / "bee" / "notes.txt").write_text("x")
    with pytest.warns(UserWarning, match=r"1 entries, such as .*notes\.txt"):
        open_source(f"folder:{tmp_path}", targets=())


def test_plain_images_are_shuffled_and_made_into_batches(tmp_path):
    fill(tmp_path, 40)
    source = open_source(f"folder:{tmp_path}", targets=())
    decode = decoder(source.targets, Preprocessing((7, 5), mean=0.0, std=1.0), "affine")
    batches = list(training_batches(source, decode, 8, epochs=1))
    assert len(batches) == source.sizes["train"] // 8 and all(each.keys() == {"image"} for each in batches)
    shown = {round(float(image.numpy().max() * 255)) for each in batches for image in each["image"]}
    assert shown <= {int(row["id"][:3]) for row in source.examples("train").as_numpy_iterator()}
    assert len(shown) == 8 * len(batches)


@pytest.mark.parametrize(
    ("folder", "targets", "said"),
    [
        ("none", (), r"none has no images; they end in \.jpg"),
        ("absent", (), r"no folder .*; folder:PATH expects FOLDER/train/\*\.jpg"),
        ("held", (), r"has test/ but no train/; expected is FOLDER/train/\*\.jpg"),
        ("one", (), "has 1 images, too few: nothing is left for"),
        ("one", ("label", "depth"), "has no 'depth' of its images; folders tell their 'label' alone, or nothing"),
        ("one", "label", r"targets='label'; it is a tuple of names, such as \('label',\)"),
    ],
)
def test_folder_that_lacks_what_is_asked_for_is_answered(tmp_path, folder, targets, said):
    (tmp_path / "none").mkdir()
    fill(tmp_path / "held" / "test", 3)
    fill(tmp_path / "one", 1)
    with pytest.raises(DataError, match=said):
        open_source(f"folder:{tmp_path / folder}", targets=targets)


def test_missing_folder_is_named(tmp_path):
    with pytest.raises(DataError, match=r"no folder '.*absent'; folder:PATH expects FOLDER/train"):
        open_source(f"folder:{tmp_path}/absent")
    with pytest.raises(DataError, match="no folder"):
        open_source("folder:")
