"""Repeated augmentation and random erasing in the batches."""

import numpy as np
import pytest
from kit.small_images import PLAIN, fill, flat

from keras_vit.data import DataError, open_source, training_batches


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    return open_source(f"folder:{fill(tmp_path_factory.mktemp('pictures'))}")


def test_each_image_comes_so_many_times_in_a_row_changed_differently(source):
    once = flat(training_batches(source, PLAIN, 6, epochs=1))
    repeated = training_batches(source, PLAIN, 6, repeats=3, epochs=1)
    assert repeated.cardinality() == len(once) // 6
    thrice = flat(repeated)
    assert thrice[::3] == thrice[1::3] == thrice[2::3] == once[: len(once) // 3]
    crops = next(iter(training_batches(source, PLAIN, 6, augment="flip-crop", repeats=3, epochs=1)))[0].numpy()
    assert len({crop.tobytes() for crop in crops[:3]}) > 1


def test_erasing_takes_a_box_from_so_many_images_and_leaves_the_rest(source):
    plain = [image for images, _ in training_batches(source, PLAIN, 6, epochs=1) for image in images.numpy()]
    erased = training_batches(source, PLAIN, 6, erasing=0.5, epochs=1)
    shares = [(image != old).mean() for (image, old) in zip(_images(erased), plain, strict=True)]
    assert 0.3 < np.mean(np.array(shares) > 0) < 0.7 and max(shares) < 0.5


def _images(batches):
    return [image for images, _ in batches for image in images.numpy()]


def test_repeated_and_erased_epochs_do_not_depend_on_where_the_run_began(source):
    options = {"augment": "randaugment", "erasing": 0.5, "repeats": 3, "seed": 2, "epochs": 3}
    whole = _images(training_batches(source, PLAIN, 6, **options))
    rest = _images(training_batches(source, PLAIN, 6, first_epoch=2, **options))
    assert len(whole) == 3 * len(rest)
    np.testing.assert_array_equal(rest, whole[-len(rest) :])


@pytest.mark.parametrize("options", [{"erasing": 1.5}, {"erasing": -0.1}, {"repeats": 0}])
def test_senseless_erasing_and_repeats_are_refused(source, options):
    with pytest.raises(DataError, match="erasing=.* is a share from 0 to 1, repeats=.* at least 1"):
        training_batches(source, PLAIN, 6, epochs=1, **options)
