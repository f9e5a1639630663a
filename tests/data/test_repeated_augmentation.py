"""Repeated augmentation and random erasing in the batches."""

import numpy as np
import pytest
from kit.small_images import decode, fill, flat

from keras_vit.data import DataError, open_source, training_batches


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    return open_source(f"folder:{fill(tmp_path_factory.mktemp('pictures'))}")


def test_each_image_comes_so_many_times_in_a_row_changed_differently(source):
    once = flat(training_batches(source, decode(), 6, epochs=1))
    repeated = training_batches(source, decode(), 6, repeated_augmentation=3, epochs=1)
    assert repeated.cardinality() == len(once) // 6
    thrice = flat(repeated)
    assert thrice[::3] == thrice[1::3] == thrice[2::3] == once[: len(once) // 3]
    crops = _images(training_batches(source, decode("flip-crop"), 6, repeated_augmentation=3, epochs=1))
    assert len({crop.tobytes() for crop in crops[:3]}) > 1


def test_erasing_takes_a_box_from_so_many_images_and_leaves_the_rest(source):
    plain = _images(training_batches(source, decode(), 6, epochs=1))
    erased = _images(training_batches(source, decode(random_erasing=0.5), 6, epochs=1))
    shares = [(image != old).mean() for (image, old) in zip(erased, plain, strict=True)]
    assert 0.3 < np.mean(np.array(shares) > 0) < 0.7 and max(shares) < 0.5


def _images(batches):
    return [image for each in batches for image in each["image"].numpy()]


def test_repeated_and_erased_epochs_do_not_depend_on_where_the_run_began(source):
    changed = decode("randaugment", random_erasing=0.5)
    options = {"repeated_augmentation": 3, "seed": 2, "epochs": 3}
    whole = _images(training_batches(source, changed, 6, **options))
    rest = _images(training_batches(source, changed, 6, first_epoch=2, **options))
    assert len(whole) == 3 * len(rest)
    np.testing.assert_array_equal(rest, whole[-len(rest) :])


@pytest.mark.parametrize("fraction", [1.5, -0.1])
def test_senseless_erasing_is_refused(fraction):
    with pytest.raises(DataError, match=f"random_erasing={fraction} is a fraction from 0 to 1"):
        decode(random_erasing=fraction)


def test_unknown_augmentation_is_answered_with_the_known():
    with pytest.raises(DataError, match="no augmentation 'flip'; it is one of none, affine, flip-crop"):
        decode("flip")
