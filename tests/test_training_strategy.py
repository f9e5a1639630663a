"""Devices share batches evenly, and precision lasts no longer than asked."""

from types import SimpleNamespace

import keras
import pytest

from keras_vit.training import strategy


def of(replicas):
    return SimpleNamespace(num_replicas_in_sync=replicas)


def test_one_device_needs_no_strategy_of_its_own():
    devices = strategy.all_devices()
    assert devices.num_replicas_in_sync == 1
    assert strategy.names(devices) == ["CPU:0"] or strategy.names(devices) == ["GPU:0"]


@pytest.mark.parametrize(
    ("replicas", "batch", "sentence"),
    [
        (1, 0, "batch 0 does not fit the 100 training images"),
        (1, 101, "give 1 to 100"),
        (3, 32, "does not divide over 3 devices; 30 would"),
        (4, 2, "does not divide over 4 devices; 4 would"),
    ],
)
def test_a_batch_that_cannot_be_shared_out_is_refused(replicas, batch, sentence):
    with pytest.raises(ValueError, match=sentence):
        strategy.check_batch(of(replicas), batch, 100)


@pytest.mark.parametrize("replicas", [1, 2, 3, 4])
@pytest.mark.parametrize("images", [31, 144, 360, 1000, 1009])
def test_no_device_is_left_without_images_in_evaluation(replicas, images):
    batch = strategy.evaluation_batch(of(replicas), 64, images)
    assert 0 < batch <= min(64, images) and batch % replicas == 0
    share = batch // replicas
    last = images % batch or batch
    assert last > batch - share
    if replicas == 1:
        assert batch == min(64, images)


def test_fewer_images_than_devices_are_refused():
    with pytest.raises(ValueError, match="3 images can't be shared out over 4 devices"):
        strategy.evaluation_batch(of(4), 64, 3)


def test_precision_is_put_back_even_after_an_error():
    with pytest.raises(RuntimeError), strategy.precision("bfloat16"):
        layer = keras.layers.Dense(3)
        layer.build((2, 5))
        assert (layer.compute_dtype, layer.kernel.dtype) == ("bfloat16", "float32")
        raise RuntimeError
    assert keras.config.dtype_policy().name == "float32"
