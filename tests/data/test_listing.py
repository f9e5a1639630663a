"""Folders with entries that are no images: each is left out and named, and none is waited for."""

import os
import re
import socket
from pathlib import Path

import pytest
from kit.small_images import decode, fill, flat, linear_model, png

from keras_vit.data import DataError, Preprocessing, evaluation_batches, open_source, read_images, subset

LABELLED, PLAIN = ("label",), ()


def pipe(path):
    os.mkfifo(path)


def bound(path):
    with socket.socket(socket.AF_UNIX) as each:
        each.bind(f"/proc/self/fd/{os.open(path.parent, os.O_RDONLY)}/{path.name}")  # which is short


def device(path):
    path.symlink_to("/dev/zero")


def folder(path):
    path.mkdir()


def nowhere(path):
    path.symlink_to("nothing")


def itself(path):
    path.symlink_to(path)


def around(path):
    path.symlink_to(path.parent)


def bytes_of_no_text(path):
    (path.parent / os.fsdecode(b"caf\xe9.png")).write_bytes(png(1))


def tiff(path):
    path.with_suffix(".TIFF").write_bytes(b"II*\0")


ODD = {
    pipe: "devices, sockets or pipes",
    bound: "devices, sockets or pipes",
    device: "devices, sockets or pipes",
    folder: "they are folders",
    nowhere: "links that lead nowhere",
    itself: "links that lead nowhere",
    around: "(they are folders|links to folders that they lie in)",
    bytes_of_no_text: r"caf\\xe9.png, are left out, for their names are not UTF-8",
    tiff: r"images end in .*; of \.tiff, convert it to PNG.*magick",
}


@pytest.mark.parametrize("targets", [LABELLED, PLAIN])
@pytest.mark.parametrize("make", ODD)
def test_entry_that_is_no_image_is_left_out_and_named(tmp_path, recwarn, make, targets):
    fill(tmp_path, train=5)
    make(tmp_path / "train" / "ant" / "x.png")
    source = open_source(f"folder:{tmp_path}", targets=targets)
    assert source.sizes == {"train": 10, "validation": 10, "test": 20}
    said = [str(each.message) for each in recwarn]
    if make is folder and not targets:  # where folders are looked into
        assert said == []
    else:
        assert len(said) == 1 and re.search(f"1 entries, such as .*{ODD[make]}", said[0]), said


@pytest.mark.parametrize("targets", [LABELLED, PLAIN])
def test_links_to_images_and_folders_are_followed_but_not_in_circles(tmp_path, targets):
    fill(tmp_path / "real", train=5)
    (tmp_path / "linked").mkdir()
    for split in ("train", "val", "test"):
        (tmp_path / "linked" / split).symlink_to(tmp_path / "real" / split)
    (tmp_path / "real" / "train" / "ant" / "one.png").symlink_to(tmp_path / "real" / "test" / "ant" / "180.png")
    source = open_source(f"folder:{tmp_path / 'linked'}", targets=targets)
    assert source.sizes["train"] == 11 and "train/ant/one.png" in source.ids("train")
    assert len(list(source.examples("train"))) == 11


def test_folder_that_may_not_be_read_is_named(tmp_path, monkeypatch):
    fill(tmp_path, train=5)

    def refuse(path):
        raise PermissionError(13, "Permission denied", os.fspath(path))

    monkeypatch.setattr(os, "scandir", refuse)  # a super-user may read all
    with pytest.raises(DataError, match=r"the folder .*train/ant can't be read: Permission denied"):
        open_source(f"folder:{tmp_path}")


def test_folder_whose_name_is_no_text_is_named(tmp_path):
    fill(tmp_path, train=5)
    (tmp_path / "train" / os.fsdecode(b"caf\xe9")).mkdir()
    with pytest.raises(DataError, match=r"the name of the folder .*caf\\xe9 is not UTF-8; rename it"):
        open_source(f"folder:{tmp_path}")
    with pytest.raises(DataError, match=r"the name of the folder /caf\\xe9 is not UTF-8"):
        open_source(os.fsdecode(b"folder:/caf\xe9"))


def test_folder_of_tiff_alone_says_how_to_convert(tmp_path):
    for name in ("ant", "bee"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "a.tif").write_bytes(b"II*\0")
    with pytest.raises(DataError, match=r"ant has no images; they end in .*; convert it to PNG"):
        open_source(f"folder:{tmp_path}")


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (Path.unlink, "can't be read: No such file or directory"),
        (lambda path: path.write_bytes(b""), "is empty"),
        (lambda path: path.write_bytes(b"BM" + bytes(99)), "is no uncompressed BMP of 8, 24 or 32 bits a pixel"),
        (lambda path: path.write_bytes(png(1)[:-30]), "is damaged, or no image in JPEG, PNG, GIF, BMP or WebP"),
    ],
)
@pytest.mark.parametrize("whole", [True, False])
def test_file_that_is_gone_or_damaged_is_skipped_with_its_reason(tmp_path, whole, damage, said):
    source = open_source(f"folder:{fill(tmp_path)}")
    source = source if whole else subset(source, 0.5)
    split, name = ("test", "test/ant/182.png") if whole else ("train", source.ids("train")[5])
    damage(tmp_path / name)
    with pytest.warns(UserWarning, match=rf"skipped '{name}' of folder:.*: it {said}"):
        assert len(flat(evaluation_batches(source, split, decode(), 50))) == source.sizes[split] - 1


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (pipe, "is no file of an image, but a folder, a device or a pipe"),
        (device, "is no file of an image"),
        (folder, "is no file of an image"),
        (nowhere, "can't be read: No such file"),
        (itself, "can't be read: Too many levels of symbolic links"),
        (lambda path: path.write_bytes(b""), "is empty"),
        (lambda path: path.write_bytes(b"II*\0more"), "is TIFF, which is not read; convert it"),
    ],
)
def test_path_that_is_no_image_is_answered_with_a_sentence(tmp_path, make, said):
    make(tmp_path / "x.png")
    with pytest.raises(ValueError, match=rf"x\.png' {said}"):
        read_images([tmp_path / "x.png"], linear_model(), Preprocessing((7, 5)))


def test_path_that_is_no_text_is_read_and_shown_as_bytes(tmp_path):
    there, gone = (tmp_path / os.fsdecode(name) for name in (b"caf\xe9.png", b"g\xe9ne.png"))
    there.write_bytes(png(255))
    assert read_images([there], linear_model(), Preprocessing((7, 5))).min() == 1
    with pytest.raises(ValueError, match=r"g\\xe9ne\.png' can't be read"):
        read_images([gone], linear_model(), Preprocessing((7, 5)))
