"""What TensorBoard shows of the images that a model is trained on."""

from types import SimpleNamespace

import keras
import numpy as np
import pytest
import tensorflow as tf
from PIL import Image
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from keras_vit import data
from keras_vit.files import WriteError
from keras_vit.tasks.classify import captions
from keras_vit.training.monitor import tensorboard

PREPROCESSING = data.Preprocessing(image_size=(5, 7), mean=(0.5, 0.4, 0.3), std=(0.2, 0.25, 0.5))
COLOURS = [(230, 159, 0), (86, 180, 233), (0, 158, 115)]


def shown(folder, batches):
    """Returns the callback as it is after two epochs of which the first was number 3."""

    def preview(batch):
        images = PREPROCESSING.denormalize(batch["image"])
        return images.round().astype("uint8"), [captions(each, ("cat", "dog", "owl")) for each in batch["label"]]

    callback = tensorboard.ShowInput(folder, batches, preview)
    callback.set_model(SimpleNamespace(distribute_strategy=tf.distribute.get_strategy()))
    callback.on_epoch_begin(3)
    callback.on_epoch_begin(4)
    return callback


def batches_of(images):
    shares = np.array([[1, 0, 0], [0.25, 0.75, 0], [0, 0, 1]], "float32")
    return tf.data.Dataset.from_tensor_slices({"image": images, "label": shares}).batch(3).repeat()


def test_images_are_shown_once_a_start_in_their_own_colours(tmp_path):
    pixels = np.broadcast_to(np.array(COLOURS, "float32")[:, None, None], (3, 5, 7, 3))
    shown(tmp_path, batches_of(np.stack([PREPROCESSING.normalize(each) for each in pixels])))
    events = EventAccumulator(str(tmp_path / "input")).Reload()
    (tag,) = events.Tags()["tensors"]
    (event,) = events.Tensors(tag)
    assert (tag, event.step) == ("augmented input", 3)
    (tmp_path / "shown.png").write_bytes(event.tensor_proto.string_val[2])
    picture = np.asarray(Image.open(tmp_path / "shown.png").convert("RGB")).astype(int)
    columns = [np.flatnonzero((np.abs(picture - colour).max(-1) < 3).any(0)) for colour in COLOURS]
    assert all(len(each) > 150 for each in columns)
    assert columns[0].max() < columns[1].min() and columns[1].max() < columns[2].min()  # in the order of the batch


def test_a_worker_that_is_not_the_chief_shows_nothing(tmp_path, monkeypatch):
    monkeypatch.setattr("keras_vit.training.devices.cluster.is_chief", lambda strategy: False)
    shown(tmp_path, batches_of(np.zeros((3, 5, 7, 3), "float32")))
    assert list(tmp_path.iterdir()) == []


def test_mixed_labels_are_named_with_their_shares():
    labels = ("cat", "dog", "a name that no picture is wide enough for")
    assert captions(np.array([0, 1.0, 0]), labels) == "dog"
    assert captions(np.array([0.3, 0.7, 0]), labels) == "70% dog\n30% cat"
    assert captions(np.array([0, 0.25, 0.75]), labels) == "75% a name that no pi…\n25% dog"


def test_noise_of_erased_boxes_stays_within_what_an_image_can_hold():
    image = np.array([[[-9.0, 0.0, 9.0]]], "float32")
    np.testing.assert_allclose(PREPROCESSING.denormalize(image), [[[0, 0.4 * 255, 255]]], rtol=1e-6)


def test_logs_that_cannot_be_written_are_told_as_any_file(tmp_path):
    (tmp_path / "tensorboard").write_text("a file in the place of the folder")
    said = "tensorboard can't be written: .*tensorboard"
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])
    with pytest.raises(WriteError, match=said):
        board = tensorboard.board(tmp_path / "tensorboard", write_graph=False)
        board.set_model(model)
        board.on_train_begin()
        board.on_epoch_end(0, {"loss": 0.5})
    with pytest.raises(WriteError, match=said):
        shown(tmp_path / "tensorboard", batches_of(np.zeros((3, 5, 7, 3), "float32")))


def test_keras_sees_which_hooks_of_the_board_are_its_own(tmp_path):
    ours = tensorboard.board(tmp_path, write_graph=False)
    theirs = keras.callbacks.TensorBoard(tmp_path, write_graph=False)
    for name in ("on_batch_end", "on_train_batch_end", "on_test_batch_end", "on_predict_batch_end"):
        assert hasattr(getattr(ours, name), "_is_default") == hasattr(getattr(theirs, name), "_is_default"), name
