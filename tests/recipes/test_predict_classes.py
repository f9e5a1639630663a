"""Files and folders of images to labels and probabilities, as text, CSV and JSON Lines."""

import csv
import io
import json
import os
import shutil

import numpy as np
import pytest
from PIL import Image

from keras_vit import bundle, data
from keras_vit.recipes import predict_classes
from keras_vit.testing import small

LABELS = ("ant", "a bee, or two", 'the "cat"', "犬", "line\nbreak", "f", "g")


@pytest.fixture(scope="module")
def model():
    model = small("lenet", image_size=(37, 41), channels=3)
    bundle.update(model, preprocessing=data.Preprocessing((37, 41)), labels=LABELS)
    return model


@pytest.fixture(scope="module")
def file(model, tmp_path_factory):
    path = tmp_path_factory.mktemp("predict") / "model.keras"
    model.save(path)
    return path


def image(path, shade=90):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (41, 37), (shade, shade, 255 - shade)).save(path, "PNG")
    return path


def expected(model, shade):
    pixels = np.broadcast_to(np.array([shade, shade, 255 - shade]) / 255, (1, 37, 41, 3))
    logits = np.asarray(model((pixels - 0.5) / 0.5), "float64")[0]
    e = np.exp(logits - logits.max())
    return e / e.sum()


def run(*arguments, status=0):
    """Calls the command, which ends with the `status`."""
    try:
        predict_classes.main(arguments=[os.fsdecode(each) for each in arguments])
    except SystemExit as stopped:
        assert stopped.code == status
    else:
        assert status == 0


@pytest.mark.parametrize("kind", ["csv", "jsonl"])
def test_every_probability_of_odd_names_and_labels_comes_back_from_the_file(kind, model, file, tmp_path):
    names = ["a,b.png", 'say "no".png', "line\nbreak.png", "return\r.png", "猫 🐈.png", " space.png"]
    paths = [image(tmp_path / name, 20 + 30 * i) for i, name in enumerate(names)]
    run(file, *paths, "--top", "99", "--output", tmp_path / f"out.{kind}")
    text = (tmp_path / f"out.{kind}").read_bytes().decode()
    if kind == "csv":
        header, *rows = csv.reader(io.StringIO(text, newline=""))
        assert header == ["image", "rank", "label", "probability"]
        assert [row[1] for row in rows] == [str(rank) for _ in names for rank in range(1, 8)]
        answers = [(path, label, float(share)) for path, _, label, share in rows]
    else:
        lines = [json.loads(line) for line in text.splitlines()]
        answers = [
            (each["image"], *pair) for each in lines for pair in zip(each["labels"], each["probabilities"], strict=True)
        ]
    assert [path for path, *_ in answers] == [str(path) for path in paths for _ in LABELS]
    for i in range(len(paths)):
        got = {label: share for _, label, share in answers[7 * i : 7 * i + 7]}
        np.testing.assert_allclose([got[label] for label in LABELS], expected(model, 20 + 30 * i), rtol=1e-3)
        assert list(got.values()) == sorted(got.values(), reverse=True)


def test_files_that_cannot_be_read_are_named_and_the_others_done_with_status_1(file, tmp_path, capsys):
    good = [image(tmp_path / f"{i}.png") for i in range(2 * predict_classes.BATCH)]
    (tmp_path / "torn.png").write_bytes(good[0].read_bytes()[:50])
    (tmp_path / "empty").mkdir()
    given = [*good[:5], tmp_path / "torn.png", *good[5:], tmp_path / "none.png", tmp_path / "empty"]
    run(file, *given, "--output", tmp_path / "out.csv", status=1)
    said = capsys.readouterr().err
    assert "torn.png' is damaged, or no image" in said and "none.png' can't be read: No such file" in said
    assert f"{tmp_path / 'empty'} has no images" in said and "3 of what was given can't be read" in said
    rows = list(csv.DictReader((tmp_path / "out.csv").open(newline="")))
    assert [row["image"] for row in rows] == list(map(str, good))


def test_folders_are_searched_at_any_depth_and_what_is_no_image_is_told(file, tmp_path, capsys):
    paths = [image(tmp_path / name) for name in ("b.png", "deep/er/a.JPG", "deep/c.png")]
    (tmp_path / "notes.txt").write_text("none")
    (tmp_path / "broken.png").symlink_to("nowhere")
    with pytest.warns(UserWarning) as told:
        run(file, tmp_path)
    said = " ".join(str(each.message) for each in told)
    assert "notes.txt" in said and "broken.png" in said and "links that lead nowhere" in said
    lines = capsys.readouterr().out.splitlines()
    assert sorted(line.rpartition(": ")[0] for line in lines) == sorted(map(str, paths))


def test_names_that_are_not_utf8_are_read_and_shown_by_their_bytes(file, tmp_path, capsys):
    name = os.fsencode(tmp_path) + b"/caf\xe9.png"
    try:
        shutil.copy(os.fsencode(image(tmp_path / "a.png")), name)
    except OSError:  # a file system of UTF-8 alone can hold no such name
        return
    for kind in ("text", "csv", "jsonl"):
        run(file, name, "--format", kind)
        out = capsys.readouterr().out
        shown = json.loads(out)["image"] if kind == "jsonl" else out
        assert r"caf\xe9.png" in shown


def test_text_shows_control_characters_of_names_as_escapes(file, tmp_path, capsys):
    run(file, image(tmp_path / "a\n\x1b[31m犬.png"))
    out = capsys.readouterr().out
    assert out.startswith(f"{tmp_path}/a\\n\\x1b[31m犬.png: ")


def test_a_file_of_before_stays_whole_where_predicting_fails(file, tmp_path, monkeypatch):
    (tmp_path / "out.csv").write_text("before")
    monkeypatch.setattr(predict_classes.outputs, "probabilities_of", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        run(file, image(tmp_path / "a.png"), "--output", tmp_path / "out.csv")
    assert (tmp_path / "out.csv").read_text() == "before"
    assert sorted(each.name for each in tmp_path.iterdir()) == ["a.png", "out.csv"]


def test_many_files_are_counted_on_stderr_alone(file, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(predict_classes, "BATCH", 3)
    monkeypatch.setattr(predict_classes, "NOTED", 5)
    run(file, *[image(tmp_path / f"{i}.png") for i in range(13)])
    out, err = capsys.readouterr()
    assert [line for line in err.splitlines() if " files" in line] == ["6 of 13 files", "12 of 13 files"]
    assert len(out.splitlines()) == 13


def test_no_more_than_two_lists_are_read_ahead(model, tmp_path, monkeypatch):
    read = []
    real = data.Preprocessing.__call__
    monkeypatch.setattr(data.Preprocessing, "__call__", lambda how, path: read.append(path) or real(how, path))
    paths = [image(tmp_path / f"{i}.png") for i in range(40)]
    lists = data.read_each(paths, data.Preprocessing((37, 41)), 4)
    assert len(next(lists)) == 4 and len(read) <= 8
    lists.close()


def test_a_line_is_one_line_whatever_a_class_is_called(file, tmp_path, capsys):
    path = image(tmp_path / "b.png")
    run(file, path, "--top", "7")
    (line,) = capsys.readouterr().out.splitlines()
    assert "line\\nbreak (" in line and "犬 (" in line
