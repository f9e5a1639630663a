"""Images that can't be decoded are named and skipped, exactly, and too many of them stop a run."""

import numpy as np
import pytest
import tensorflow as tf
from kit.small_images import decode, fill, flat, linear_model, pairs, png, values

from keras_vit.data import DataError, evaluation_batches, evaluation_steps, open_source, training_batches
from keras_vit.data.skipping import Recorder


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    return open_source(f"folder:{fill(tmp_path_factory.mktemp('images'))}")


@pytest.mark.filterwarnings("ignore:skipped")
@pytest.mark.parametrize(("step", "repeats"), [(1, 2), (30, 1)])  # of 30; the last is filled up with the first image
def test_going_on_within_an_epoch_is_exact_beside_a_corrupt_image(tmp_path, step, repeats):
    source = open_source(f"folder:{fill(tmp_path)}")
    changed, options = decode("flip-crop"), {"repeated_augmentation": repeats, "epochs": 2}
    first = values(training_batches(source, changed, 4, **options | {"epochs": 1}))[0][0][0]
    bad = "train/{}/{}.png".format(("ant", "bee")[first % 2], first)
    (tmp_path / bad).write_bytes(b"")
    whole = [each["image"].numpy() for each in training_batches(source, changed, 4, **options)]
    assert len(whole) == 60 and source.skipped == [bad]
    resumed = training_batches(source, changed, 4, first_step=step, corrupt=source.skipped, **options)
    np.testing.assert_array_equal([each["image"].numpy() for each in resumed], whole[step:])


def test_good_images_are_read_without_python(source, monkeypatch):
    monkeypatch.setattr(Recorder, "record", lambda *_: pytest.fail("called for a good image"))
    assert len(flat(evaluation_batches(source, "train", decode(), 10))) == 120


@pytest.mark.parametrize("damage", [b"", b"a text", png(20)[:-30], b"\x89PNG\r\n\x1a\n"])
def test_corrupt_image_is_named_once_and_skipped(tmp_path, damage):
    source = open_source(f"folder:{fill(tmp_path)}")
    (tmp_path / "train" / "bee" / "43.png").write_bytes(damage)
    with pytest.warns(UserWarning) as caught:
        shown = np.array(values(training_batches(source, decode(), 12, epochs=3))[0]).reshape(3, 120)
    assert ["train/bee/43.png" in str(each.message) for each in caught] == [True]
    assert source.skipped == ["train/bee/43.png"]
    for epoch in shown:  # still full: the first of the epoch fills the gap
        assert set(epoch) == set(range(20, 140)) - {43} and epoch[0] == epoch[-1]


@pytest.mark.filterwarnings("ignore:skipped")
def test_resumption_is_exact_beside_a_corrupt_image(tmp_path):
    source = open_source(f"folder:{fill(tmp_path)}")
    (tmp_path / "train" / "bee" / "43.png").write_bytes(b"")
    whole = flat(training_batches(source, decode(), 12, epochs=2))
    assert whole[120:] == flat(training_batches(source, decode(), 12, first_epoch=1, epochs=2))


@pytest.mark.filterwarnings("ignore:skipped")
def test_corrupt_image_is_left_out_of_the_evaluation_in_order(tmp_path):
    source = open_source(f"folder:{fill(tmp_path)}")
    (tmp_path / "test" / "ant" / "182.png").write_bytes(b"")
    assert flat(evaluation_batches(source, "test", decode(), 3)) == [
        180, *range(184, 200, 2), *range(181, 200, 2)
    ]  # fmt: skip


@pytest.mark.filterwarnings("ignore:skipped")
def test_more_than_one_per_cent_of_corrupt_images_stops_with_their_list(tmp_path):
    source = open_source(f"folder:{fill(tmp_path, train=100)}")
    bad = [f"train/ant/{value}.png" for value in (20, 80, 140)]
    for name in bad[:2]:
        (tmp_path / name).write_bytes(b"not an image")
    assert len(flat(evaluation_batches(source, "train", decode(), 50))) == 198  # 2 of 200 may be
    (tmp_path / bad[2]).write_bytes(b"not an image")
    with pytest.raises(DataError) as caught, source.stopping_clearly():
        flat(training_batches(source, decode(), 50, epochs=2))
    message = str(caught.value)
    assert "3 of the 200 train images" in message and "at most 2 may be" in message
    assert message.splitlines()[1:] == [f"  {name} is no image in JPEG, PNG, GIF, BMP or WebP" for name in bad]
    assert sorted(source.skipped) == sorted(bad)


@pytest.mark.filterwarnings("ignore:skipped")
def test_folder_of_nothing_but_corrupt_images_stops_too(tmp_path):
    source = open_source(f"folder:{fill(tmp_path, train=20)}")
    for path in tmp_path.glob("train/*/*.png"):
        path.write_bytes(b"")
    with pytest.raises(DataError, match="of the 40 train images"), source.stopping_clearly():
        flat(training_batches(source, decode(), 10, epochs=1))


def test_other_tensorflow_errors_pass_as_they_are(source):
    with pytest.raises(tf.errors.NotFoundError), source.stopping_clearly():
        tf.io.read_file("no such file")


@pytest.mark.filterwarnings("ignore:skipped", "ignore:Your input ran out")
def test_evaluation_counts_all_good_images_where_a_corrupt_one_costs_a_batch(tmp_path):
    source = open_source(f"folder:{fill(tmp_path)}")
    (tmp_path / "test" / "bee" / "181.png").write_bytes(b"")
    model = linear_model()
    batches = pairs(evaluation_batches(source, "test", decode(), 19))
    images, labels = (np.concatenate(part) for part in zip(*batches.as_numpy_iterator(), strict=True))
    assert len(labels) == 19 and evaluation_steps(source, "test", 19) == 2
    loss, _ = model.evaluate(batches, steps=2, verbose=0)
    logits = model.predict(images, verbose=0).astype("float64")
    shares = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    assert loss == pytest.approx(-np.log(shares[np.arange(19), labels]).mean(), rel=1e-5)
