"""The images of a run are a part of it: what came, went or was renamed since it began is told or refused."""

import dataclasses
import json
import shutil
import warnings

import pytest
from PIL import Image

from keras_vit import data
from keras_vit.tasks.presets.classify import plain
from keras_vit.training.runs import images
from keras_vit.training.runs.folder import RunError, RunFolder

COUNTS = {"train": 5, "validation": 2, "test": 3}


def photos(root, names=("bee", "cat")):
    for split, count in COUNTS.items():
        for name in names:
            (root / split / name).mkdir(parents=True)
            for i in range(count):
                Image.new("RGB", (3, 2)).save(root / split / name / f"{i}.png")
    return root


@pytest.fixture
def root(tmp_path):
    return photos(tmp_path / "photos")


def opened(root):
    return data.open_source(f"folder:{root}")


@pytest.fixture
def folder(tmp_path, root):
    """The folder of a run of the photos that has saved a state."""
    folder = RunFolder(tmp_path / "run", plain())
    folder.begin()
    images.keep(folder, opened(root))
    folder.state.write_bytes(b"state")
    return folder


def quietly(folder, root, skipped=()):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        images.check(folder, opened(root), skipped)


def test_the_same_images_go_on_without_a_word(folder, root):
    quietly(folder, root)
    told = json.loads(folder.images.read_text())
    assert told["names"] == {"label": ["bee", "cat"]} and told["sizes"] == {key: 2 * n for key, n in COUNTS.items()}
    assert sorted(told["ids"]["test"]) == [f"test/{name}/{i}.png" for name in ("bee", "cat") for i in range(3)]


@pytest.mark.parametrize("split", ["train", "validation"])
def test_images_to_learn_from_that_came_or_went_are_named_and_refused(folder, root, split):
    (root / split / "cat" / "1.png").unlink()
    shutil.copyfile(root / split / "bee" / "0.png", root / split / "bee" / "new.png")
    said = (
        rf"other images of folder:.*'{split}/cat/1.png' went from {split}, '{split}/bee/new.png' came to {split}; give"
    )
    with pytest.raises(RunError, match=said):
        images.check(folder, opened(root))


def test_renamed_and_permuted_classes_are_refused(folder, root):
    for split in COUNTS:
        (root / split / "bee").rename(root / split / "wasp")
    with pytest.raises(RunError, match="of the labels 'bee' of 2 went and 'wasp' came; "):
        images.check(folder, opened(root))
    told = json.loads(folder.images.read_text())
    folder.images.write_text(json.dumps(told | {"names": {"label": ["wasp", "cat"]}}))
    with pytest.raises(RunError, match="the label 'wasp' and others stand in another order"):
        images.check(folder, opened(root))


def test_test_images_that_came_or_went_change_nothing_that_was_learned_and_are_told(folder, root):
    (root / "test" / "cat" / "1.png").unlink()
    with pytest.warns(UserWarning, match="'test/cat/1.png' went from test; nothing that it has learned changes"):
        images.check(folder, opened(root))


def test_an_image_that_could_not_be_decoded_may_be_removed(folder, root):
    (root / "train" / "cat" / "1.png").unlink()
    with pytest.warns(UserWarning, match="'train/cat/1.png' went from train; nothing"):
        images.check(folder, opened(root), ["train/cat/1.png"])


def test_a_run_that_is_done_is_told_of_other_images_and_not_refused(folder, root):
    folder.result.write_text("{}")
    (root / "train" / "cat" / "1.png").unlink()
    with pytest.warns(UserWarning, match="'train/cat/1.png' went from train"):
        images.check(folder, opened(root))


def without_folders_of_splits(root):
    """Moves all images to root/CLASS, of which the splits are drawn."""
    for split in COUNTS:
        for name in ("bee", "cat"):
            (root / name).mkdir(exist_ok=True)
            for each in (root / split / name).iterdir():
                each.rename(root / name / f"{split}-{each.name}")
        shutil.rmtree(root / split)
    return root


def test_images_that_were_learned_from_are_not_tested_on(folder, root):
    source = opened(without_folders_of_splits(root))
    images.keep(folder, source)
    told = json.loads(folder.images.read_text())
    told["ids"]["train"], told["ids"]["test"] = told["ids"]["test"], told["ids"]["train"]
    folder.images.write_text(json.dumps(told))
    some = min(source.ids("test"))
    with pytest.raises(RunError, match=f"'{some}' .*went from train, .* came to train, '{some}' .*would be tested on"):
        images.check(folder, source)


def test_a_run_of_a_version_that_drew_other_images_is_refused_unless_it_is_done(folder, root):
    folder.images.unlink()
    quietly(folder, root)  # nothing was drawn: each split has a folder
    source = opened(without_folders_of_splits(root))
    with pytest.raises(RunError, match="begun by an older version, which drew other images of folder:.* to test on"):
        images.check(folder, source)
    folder.result.write_text("{}")
    images.check(folder, source)


@pytest.mark.parametrize("held", ["", "[]", "{}", '{"data": 1, "names": {}, "sizes": {}, "ids": {"train": 3}}'])
def test_a_damaged_record_is_refused(folder, root, held):
    folder.images.write_text(held)
    with pytest.raises(RunError, match="images.json is damaged .*start over"):
        images.check(folder, opened(root))


def test_sources_that_know_no_ids_are_compared_by_their_sizes(folder, root):
    source = dataclasses.replace(opened(root), ids=None)
    images.keep(folder, source)
    images.check(folder, source)
    other = dataclasses.replace(source, sizes=source.sizes | {"train": 7})
    with pytest.raises(RunError, match="train had 10 images and has 7"):
        images.check(folder, other)


@pytest.mark.parametrize("near", [".", "best.keras", "state/best-0001.keras"])
def test_a_model_that_has_seen_the_test_images_is_told(folder, root, near):
    source = opened(root)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        images.warn_of_seen("weights", folder.path / near, source)
        images.warn_of_seen("weights", None, source)
        images.warn_of_seen("weights", "augreg_in21k_ft_in1k", source)
    told = json.loads(folder.images.read_text())
    told["ids"]["train"] += ["test/cat/0.png", "test/bee/0.png"]
    folder.images.write_text(json.dumps(told))
    with pytest.warns(UserWarning, match="learned from 2 of the 6 test images of folder:.*, such as 'test/bee/0.png'"):
        images.warn_of_seen("weights", folder.path / near, source)
    folder.images.write_text(json.dumps(told | {"data": "folder:/elsewhere"}))
    with pytest.warns(UserWarning, match="from images of the same names as 2 of the 6 test images"):
        images.warn_of_seen("teacher", folder.path / near, source)


def test_a_part_of_a_source_has_the_ids_of_that_part(root):
    source = opened(root)
    part = data.subset(source, 0.5, 3)
    for split in COUNTS:
        read = [each.decode() for each in part.examples(split).map(lambda each: each["id"]).as_numpy_iterator()]
        assert sorted(part.ids(split)) == sorted(read) and set(read) <= set(source.ids(split))
    assert len(part.ids("train")) == 4  # half of 5, rounded to even, of each class
