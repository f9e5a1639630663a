"""Batches: their number, order, resumption and labels."""

import itertools
import os
import subprocess
import sys
import textwrap
import warnings

import numpy as np
import pytest
import tensorflow as tf
from kit.small_images import decode, fill, linear_model, pairs, values

from keras_vit.data import (
    AUGMENTATIONS,
    DataError,
    Preprocessing,
    decoder,
    evaluation_batches,
    evaluation_steps,
    mixing,
    open_source,
    steps_per_epoch,
    training_batches,
)


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    return open_source(f"folder:{fill(tmp_path_factory.mktemp('images'))}")


def test_epoch_has_its_full_batches_of_distinct_images(source):
    batches = training_batches(source, decode(), 13, epochs=3)
    assert steps_per_epoch(source, 13) == 9 == 120 // 13
    assert batches.element_spec == {"image": tf.TensorSpec((13, 7, 5, 3)), "label": tf.TensorSpec((13,), "int64")}
    assert batches.cardinality() == 27
    shown = np.array(values(batches)[0]).reshape(3, 9 * 13)
    assert all(len(set(epoch)) == 117 and set(epoch) <= set(range(20, 140)) for epoch in shown)
    assert not np.array_equal(shown[0], shown[1])
    assert not (np.sort(shown[0]) == np.sort(shown[1])).all()  # not the same three are left out each time


def test_fewer_images_than_a_batch_are_shown_again_within_it(source):
    assert steps_per_epoch(source, 250) == 1
    (batch,) = values(training_batches(source, decode(), 250, epochs=1))[0]
    assert sorted(batch) == sorted(2 * list(range(20, 140)) + batch[:10])


def same(batches, others):
    """Whether all that the batches hold is equal to the last bit."""
    return all(
        one.keys() == other.keys() and all(np.array_equal(one[name], other[name]) for name in one)
        for one, other in zip(batches, others, strict=True)
    )


@pytest.mark.parametrize("augment", AUGMENTATIONS)
def test_resumed_epoch_is_the_same_to_the_last_bit(source, augment):
    options = {"seed": 7, "epochs": 3}
    tf.random.set_seed(0)
    whole = list(training_batches(source, decode(augment), 17, **options))
    tf.random.set_seed(5)
    again = open_source(source.name)
    resumed = list(training_batches(again, decode(augment), 17, first_epoch=1, **options))
    assert len(whole) == 21 and len(resumed) == 14
    assert same(whole[7:], resumed) and not same(whole[:14], resumed)


def test_resumed_epoch_of_digits_is_the_same_to_the_last_bit(tmp_path):
    digits = open_source("digits", data_dir=tmp_path)
    affine = decoder(digits.targets, Preprocessing((11, 11), 1), "affine")
    whole = list(training_batches(digits, affine, 127, seed=3, epochs=2))[10:]
    resumed = list(training_batches(digits, affine, 127, seed=3, epochs=2, first_epoch=1))
    assert len(whole) == len(resumed) == 10
    assert same(whole, resumed)


@pytest.mark.parametrize(("step", "repeats"), [(3, 1), (7, 2)])  # of 7
def test_an_epoch_goes_on_within_it_to_the_last_bit(source, step, repeats):
    changed = decode("three-augment", random_erasing=0.3)
    options = {"mix": mixing(source.targets), "repeated_augmentation": repeats, "seed": 7, "epochs": 3}
    whole = list(training_batches(source, changed, 17, **options))
    resumed = training_batches(source, changed, 17, first_epoch=1, first_step=step, **options)
    assert resumed.cardinality() == 14 - step and resumed.element_spec["image"].shape == (17, 7, 5, 3)
    assert same(whole[7 + step :], resumed)
    assert not same(whole[: 14 - step], resumed)


def test_what_a_task_decodes_comes_in_batches_whatever_it_is(source):
    def own(example, seed):
        return {"length": tf.strings.length(example["image"]), "seed": seed}

    def mix(batch, seed):
        return batch | {"step": seed}

    options = {"mix": mix, "seed": 5, "epochs": 2}
    whole = list(training_batches(source, own, 24, **options))
    assert whole[0]["length"].shape == (24,) and whole[0]["seed"].shape == (24, 2)
    assert len({tuple(seed) for each in whole for seed in each["seed"].numpy()}) == 10 * 24
    assert len({tuple(each["step"].numpy()) for each in whole}) == 10
    assert same(whole[7:], training_batches(source, own, 24, first_epoch=1, first_step=2, **options))


def test_seeds_of_an_evaluation_belong_to_their_images(source):
    def own(example, seed):
        return {"id": example["id"], "drawn": tf.random.stateless_uniform((), seed)}

    def drawn(batch):
        batches = evaluation_batches(source, "test", own, batch).as_numpy_iterator()
        return {name: value for each in batches for name, value in zip(each["id"], each["drawn"], strict=True)}

    assert drawn(7) == drawn(11) and len(set(drawn(7).values())) == 20


def test_images_of_steps_that_were_done_are_not_decoded(tmp_path):
    source = open_source(f"folder:{fill(tmp_path, train=70)}")
    options = {"epochs": 1, "seed": 3}
    whole, _ = values(training_batches(source, decode(), 10, **options).take(4))
    for value in itertools.chain(*whole[:3]):
        (tmp_path / "train" / ("ant", "bee")[value % 2] / f"{value}.png").write_bytes(b"")
    (resumed,), _ = values(training_batches(source, decode(), 10, first_step=3, **options).take(1))
    assert resumed == whole[3]


def test_another_seed_gives_another_order_and_other_changes(source):
    one, other = (
        np.stack([each["image"] for each in training_batches(source, decode("flip-crop"), 60, seed=s, epochs=1)])
        for s in (1, 2)
    )
    assert one.shape == other.shape == (2, 60, 7, 5, 3)
    assert not np.array_equal(one.max((2, 3, 4)), other.max((2, 3, 4)))
    dark = [(each == 0).any((2, 3, 4)) for each in (one, other)]  # where the padding shows
    assert not np.array_equal(*dark)


@pytest.mark.parametrize("augment", ["none", "affine", "flip-crop", "random-resized-crop"])  # colours tell the label
def test_labels_stay_with_their_images(source, augment):
    shown, labels = values(training_batches(source, decode(augment), 20, epochs=2))
    assert np.array_equal(np.array(shown) % 2, labels)
    assert 20 < np.sum(labels) < 220


def test_evaluation_is_in_order_and_ends_with_a_smaller_batch(source):
    shown, labels = values(evaluation_batches(source, "test", decode(), 13))
    assert [len(each) for each in labels] == [13, 7]
    assert list(itertools.chain(*shown)) == [*range(180, 200, 2), *range(181, 200, 2)]
    assert list(itertools.chain(*labels)) == [0] * 10 + [1] * 10


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"repeated_augmentation": 0}, "repeated_augmentation=0; an image comes at least 1 time"),
        ({"first_epoch": 4}, "first_epoch=4 does not lie between 0 and epochs=3"),
        ({"first_step": 25}, "first_step=25 is none of the 24 steps of epoch 0 of 3"),
        ({"first_epoch": 3, "first_step": 1}, "first_step=1 is none of the 24 steps of epoch 3 of 3"),
        ({"batch": 0}, "batch=0; a batch has at least 1 image"),
    ],
)
def test_senseless_option_is_answered_before_any_image_is_read(source, options, said):
    with pytest.raises(DataError, match=said):
        training_batches(source, decode(), **{"batch": 5, "epochs": 3, **options})


def test_two_devices_together_see_the_batches_of_one(tmp_path, source):
    (tmp_path / "images").mkdir()
    fill(tmp_path / "images")
    (tmp_path / "images" / "train" / "bee" / "43.png").write_bytes(b"")
    program = f"""
        import tensorflow as tf
        cpu = tf.config.list_physical_devices("CPU")[0]
        tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
        from keras_vit.data import Preprocessing, decoder, open_source, training_batches
        source = open_source("folder:{tmp_path / "images"}")
        preprocessing = Preprocessing((7, 5), 3, mean=0.0, std=1.0)
        batches = training_batches(source, decoder(source.targets, preprocessing, "flip-crop"), 12, epochs=2)
        batches = batches.map(lambda batch: batch["image"])
        strategy = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
        shared = [strategy.experimental_local_results(x) for x in strategy.experimental_distribute_dataset(batches)]
        assert all(len(part) == 6 for parts in shared for part in parts)
        for parts, whole in zip(shared, batches, strict=True):
            assert (tf.concat(parts, 0) == whole).numpy().all()
        print(len(shared), source.skipped)
    """
    ran = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program)],
        capture_output=True,
        text=True,
        env={**os.environ, "CUDA_VISIBLE_DEVICES": ""},
    )
    assert ran.stdout == "20 ['train/bee/43.png']\n", ran.stderr


def test_fit_takes_the_batches_without_a_warning(source):
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # such as Keras's of a data set that ran out
        history = linear_model().fit(
            pairs(training_batches(source, decode(), 40, epochs=2)),
            epochs=2,
            steps_per_epoch=steps_per_epoch(source, 40),
            validation_data=pairs(evaluation_batches(source, "validation", decode(), 3)),
            validation_steps=evaluation_steps(source, "validation", 3),
            shuffle=False,
            verbose=0,
        )
    assert len(history.history["val_loss"]) == 2
