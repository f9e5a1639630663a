"""Masks, depth maps and boxes lie on their image after every augmentation, checked in NumPy on what comes out."""

import io

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from keras_vit.data import AUGMENTATIONS, Geometry, Preprocessing, Target, augmentation, decoder, pack, training_batches
from keras_vit.data.augmentation import policies
from keras_vit.data.source import Source

TARGETS = {
    "mask": Target("mask"),
    "depth": Target("depth"),
    "boxes": Target("boxes", ("disc", "none"), max_boxes=3),
    "label": Target("class", ("a", "b", "c")),
}
SEEDS = [tf.constant([11, number], "int64") for number in range(24)]
PREPROCESSING = Preprocessing((67, 53), 3, mean=0.0, std=1.0, crop=0.9)


def png(array):
    memory = io.BytesIO()
    Image.fromarray(array).save(memory, "PNG")
    return memory.getvalue()


def scene(height=97, width=131, centre=(37, 71), radius=23):
    """Returns an example: a light disc on a dark ground, its mask, its depth of 2 m before 7 m, its box."""
    y, x = np.mgrid[:height, :width] + 0.5
    inside = (y - centre[0]) ** 2 + (x - centre[1]) ** 2 < radius**2
    image = np.where(inside[..., None], np.uint8(230), np.uint8(40)).repeat(3, axis=-1)
    rows, columns = np.flatnonzero(inside.any(1)), np.flatnonzero(inside.any(0))
    box = [rows[0] / height, columns[0] / width, (rows[-1] + 1) / height, (columns[-1] + 1) / width, 0]
    return {
        "image": tf.constant(png(image)),
        "mask": tf.constant(png(inside.astype("uint8"))),
        "depth": pack(np.where(inside, 2.0, 7.0)[..., None]),
        "boxes": pack([box]),
        "label": tf.constant(2, "int64"),
    }


def changed(name, seed, example=None, preprocessing=PREPROCESSING):
    example = scene() if example is None else example
    return {key: each.numpy() for key, each in decoder(TARGETS, preprocessing, name)(example, seed).items()}


def away_from_edges(values):
    """Returns where all pixels within 2 of one are as it is, and none lies outside of the image."""
    padded = np.pad(values, 2, constant_values=-1)
    height, width = values.shape
    near = np.stack([padded[i : i + height, j : j + width] for i in range(5) for j in range(5)])
    return (near == values).all(0)


@pytest.fixture
def colours_stay(monkeypatch):
    """Takes the operations that change colours out of RandAugment, so that the image shows where the disc is."""
    moves = {key: each for key, each in policies.RAND_AUGMENT.items() if key.split()[0] in "rotate shear translate"}
    assert len(moves) == 5
    monkeypatch.setattr(policies, "RAND_AUGMENT", moves)


@pytest.mark.usefixtures("colours_stay")
@pytest.mark.parametrize("name", ["none", "affine", "flip-crop", "random-resized-crop", "randaugment", "randaugment-4"])
def test_mask_and_depth_are_where_the_image_shows_them(name):
    discs = 0
    for seed in SEEDS:
        found = changed(name, seed)
        mask, depth, image = found["mask"][..., 0], found["depth"][..., 0], found["image"][..., 0]
        assert mask.shape == depth.shape == image.shape == (67, 53) and mask.dtype == np.uint8
        np.testing.assert_array_equal(mask == 1, depth == 2)
        assert set(np.unique(depth)) <= {0, 2, 7} and found["label"] == 2
        sure = away_from_edges(depth)
        np.testing.assert_array_equal((image > 0.5)[sure], (mask == 1)[sure])
        np.testing.assert_array_equal((image < 0.08)[sure], (depth == 0)[sure])  # nothing is shown, nothing is known
        assert sure.mean() > 0.5
        discs += mask.any() and not mask.all()
    assert discs > 12


@pytest.mark.parametrize("name", AUGMENTATIONS)
def test_box_bounds_the_mask_tightly_and_goes_with_it(name):
    whole = 0
    for seed in SEEDS:
        found = changed(name, seed)
        mask, boxes = found["mask"][..., 0], found["boxes"]
        assert boxes.shape == (3, 5) and (boxes[1:] == -1).all()
        rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
        if boxes[0, 4] == -1:
            assert len(rows) <= 2 or (len(columns) <= 2 and (boxes[0] == -1).all())
            continue
        top, left, bottom, right = boxes[0, :4] * (67, 53, 67, 53)
        assert 0 <= top < bottom <= 67 and 0 <= left < right <= 53 and boxes[0, 4] == 0
        if not len(rows):  # the corner of a box that no disc fills
            continue
        assert top <= rows[0] + 0.51 and bottom >= rows[-1] + 0.49
        assert left <= columns[0] + 0.51 and right >= columns[-1] + 0.49
        if rows[0] > 3 and rows[-1] < 63 and columns[0] > 3 and columns[-1] < 49:  # a disc that is whole
            whole += 1
            turned = name in ("affine", "randaugment")
            slack = 0.3 if turned else 0.02  # the box of a turned box is larger
            assert (bottom - top) * (right - left) <= (1 + slack) * (rows.size + 1) * (columns.size + 1)
    assert whole or name not in ("none", "affine")


def test_box_of_what_leaves_the_image_goes_and_the_others_stay():
    boxes = tf.constant([[0, 0, 0.2, 0.2, 5], [0.5, 0.5, 0.9, 0.9, 7], [0.4, 0.3, 0.4, 0.8, 1]], "float32")
    image = tf.zeros((40, 60, 3))
    cut = Geometry.of(image).then((1, 0, 30, 0, 1, 10), (30, 30))  # rows 10 to 40, columns 30 to 60
    np.testing.assert_allclose(cut.move(boxes, "boxes"), [[10 / 30, 0, 26 / 30, 24 / 30, 7]], rtol=1e-6)
    assert cut.move(tf.zeros((0, 5)), "boxes").shape == (0, 5)


def test_box_that_was_cut_off_does_not_come_back():
    boxes = tf.constant([[0.1, 0, 0.9, 0.4, 3], [0.1, 0.6, 0.9, 1, 5]], "float32")
    cut = Geometry.of(tf.zeros((40, 60, 3))).then((1, 0, 24, 0, 1, 0), (40, 36))  # the first ends where the cut begins
    turn = (0.9, -0.4, 0, 0.4, 0.9, 0)
    for continued in (False, True):
        ((*_, kind),) = cut.then(turn, continued=continued).move(boxes, "boxes").numpy()
        assert kind == 5


def test_object_at_the_edge_is_bounded_where_the_image_goes_on_beyond_it():
    mask = np.zeros((20, 30, 1), "uint8")
    mask[5:9, :4] = 1
    image = tf.zeros((20, 30, 3))
    moved = Geometry.of(image).then((1, 0, -7, 0, 1, 0), continued=True)  # to the right
    found = moved.move(tf.constant(mask), "mask").numpy()[..., 0]
    assert found[5:9, :11].all() and found.sum() == 4 * 11
    ((top, left, bottom, right, _),) = moved.move(tf.constant([[0.25, 0, 0.45, 4 / 30, 0]]), "boxes").numpy()
    np.testing.assert_allclose([top, left, bottom, right], [5 / 20, 0, 9 / 20, 11 / 30], rtol=1e-6)


def test_nearest_pixel_is_pillows():
    mask = np.random.default_rng(1).integers(0, 9, (47, 61, 1), "uint8")
    preprocessing = Preprocessing((23, 31), 1)
    _, geometry = augmentation("none")(tf.constant(mask), preprocessing, SEEDS[0])
    size, corner = (each.numpy() for each in preprocessing.fit(tf.constant([47, 61])))
    resized = np.asarray(Image.fromarray(mask[..., 0]).resize(tuple(map(int, size[::-1])), Image.Resampling.NEAREST))
    expected = resized[corner[0] : corner[0] + 23, corner[1] : corner[1] + 31]
    np.testing.assert_array_equal(geometry.move(tf.constant(mask), "mask")[..., 0], expected)


def test_coarser_depth_map_lies_on_its_image():
    fine = np.arange(24 * 36, dtype="float32").reshape(24, 36, 1)
    image = tf.zeros((48, 72, 3))
    cut = Geometry.of(image).then((1, 0, 10, 0, 1, 20), (16, 24))
    np.testing.assert_array_equal(cut.move(tf.constant(fine), "depth")[::2, ::2], fine[10:18, 5:17])


def test_enlarging_does_not_bring_anything_nearer():
    found = {float(value) for seed in SEEDS for value in np.unique(changed("random-resized-crop", seed)["depth"])}
    assert found == {2.0, 7.0}


@pytest.mark.parametrize("name", AUGMENTATIONS)
def test_what_moves_is_drawn_by_the_seed_alone_in_a_graph_too(name):
    once = changed(name, SEEDS[3])
    dataset = tf.data.Dataset.from_tensors(scene())
    (piped,) = dataset.map(lambda each: decoder(TARGETS, PREPROCESSING, name)(each, SEEDS[3])).as_numpy_iterator()
    for key in ("mask", "depth", "label"):
        np.testing.assert_array_equal(once[key], piped[key])
    np.testing.assert_allclose(once["boxes"], piped["boxes"], atol=1e-5)
    if name != "none":
        assert any(not np.array_equal(once["mask"], changed(name, seed)["mask"]) for seed in SEEDS[4:7])


@pytest.mark.slow
def test_training_on_masks_and_boxes_goes_on_to_the_last_bit():
    scenes = [scene(centre=(30 + i, 40 + 3 * i), radius=7 + i) for i in range(13)]
    rows = {key: [each[key].numpy() for each in scenes] for key in scenes[0]} | {"id": [str(i) for i in range(13)]}

    def read(split, shuffle):
        dataset = tf.data.Dataset.from_tensor_slices(rows)
        return dataset if shuffle is None else dataset.shuffle(13, seed=shuffle, reshuffle_each_iteration=False)

    source = Source("scenes", TARGETS, 3, {"train": 13}, read)
    decode = decoder(TARGETS, PREPROCESSING, "randaugment", random_erasing=0.5)
    whole = list(training_batches(source, decode, 3, seed=5, epochs=2).as_numpy_iterator())
    resumed = list(
        training_batches(source, decode, 3, seed=5, epochs=2, first_epoch=1, first_step=2).as_numpy_iterator()
    )
    assert len(whole) == 8 and len(resumed) == 2
    for one, other in zip(whole[6:], resumed, strict=True):
        assert one.keys() == {"image", *TARGETS}
        for key in one:
            np.testing.assert_array_equal(one[key], other[key])


def test_of_too_many_boxes_the_largest_stay_in_their_order():
    sides = np.array([0.1, 0.5, 0.2, 0.4], "float32")
    boxes = np.stack([0 * sides, 0 * sides, sides, sides, np.arange(4)], axis=1).astype("float32")
    np.testing.assert_array_equal(Target("boxes", max_boxes=2).padded(tf.constant(boxes)), boxes[[1, 3]])
    padded = Target("boxes", max_boxes=7).padded(tf.constant(boxes)).numpy()
    np.testing.assert_array_equal(padded[:4], boxes)
    assert (padded[4:] == -1).all()


def test_unknown_kind_is_answered_with_the_known():
    with pytest.raises(ValueError, match="no target of kind 'masks'; it is 'class', 'mask', 'depth' or 'boxes'"):
        Target("masks")
