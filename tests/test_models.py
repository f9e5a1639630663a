"""Multiply-accumulates are those of the formulas, and near what is published."""

import pytest

from keras_vit.models import count_macs, count_parameters


def test_macs_of_a_vit_are_those_of_its_products():
    width, depth, hidden, tokens = 24, 3, 40, 17
    options = {
        "width": width,
        "depth": depth,
        "heads": 3,
        "mlp_dim": hidden,
        "patch": 8,
        "image_size": 32,
        "classes": 7,
    }
    block = tokens * width * (4 * width + 2 * hidden) + 2 * tokens * tokens * width
    assert count_macs("vit-ti16", **options) == 16 * 8 * 8 * 3 * width + depth * block + width * 7


def test_macs_of_lenet_are_those_of_its_convolutions():
    by_hand = 28 * 28 * 6 * 25 + 10 * 10 * 16 * 6 * 25 + 120 * 16 * 25 + 120 * 84 + 84 * 10
    assert count_macs("lenet-5") == by_hand


@pytest.mark.parametrize(
    ("name", "size", "published"),
    [("vit-b16", 224, 17.58), ("vit-b16-384", 384, 55.54), ("resnet-50", 288, 6.8), ("resnet-18", 288, 3.01)],
)
def test_gmacs_are_within_a_hundredth_of_the_published(name, size, published):
    assert count_macs(name, image_size=size) / 1e9 == pytest.approx(published, rel=0.01)


def test_macs_of_an_open_size_need_one():
    with pytest.raises(ValueError, match="takes images of any size; say which"):
        count_macs("vit-ti16", image_size=None)


def test_counting_leaves_nothing_behind_to_be_allocated():
    import keras

    count_parameters("vit-gg14")  # 7 GB of weights, were they born later
    layer = keras.layers.Dense(3)
    layer(keras.Input((2,)))
    from keras.src.backend.common import global_state

    assert not global_state.get_global_attribute("uninitialized_variables")
