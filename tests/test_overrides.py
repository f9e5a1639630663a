"""Options of a model are taken as they are declared, or refused by name."""

import numpy as np
import pytest

import keras_vit
from keras_vit import heads, registry


@pytest.mark.parametrize(
    ("overrides", "says"),
    [
        ({"classes": -1}, "classes of vit-ti16 is at least 0, not -1"),
        ({"classes": "10"}, "classes of vit-ti16 is a whole number, not '10'"),
        ({"classes": True}, "classes of vit-ti16 is a whole number, not True"),
        ({"depth": -1}, "depth of vit-ti16 is at least 0, not -1"),
        ({"width": 0}, "width of vit-ti16 is at least 1, not 0"),
        ({"epsilon": float("nan")}, "epsilon of vit-ti16 is a finite number, not nan"),
        ({"epsilon": 0.0}, "epsilon of vit-ti16 is above 0, not 0.0"),
        ({"layer_scale": float("inf")}, "layer_scale of vit-ti16 is a finite number or None, not inf"),
        ({"layer_scale": "small"}, "layer_scale of vit-ti16 is a finite number or None, not 'small'"),
        ({"dropout": -0.1}, "dropout of vit-ti16 is a share from 0 to below 1, not -0.1"),
        ({"drop_path": 1.0}, "drop_path of vit-ti16 is a share from 0 to below 1, not 1.0"),
        ({"class_token": "false"}, "class_token of vit-ti16 is True or False, not 'false'"),
        ({"stem": [8, -8]}, r"stem of vit-ti16 is at least 0, not \(8, -8\)"),
        (
            {"image_size": (1, 2, 3)},
            r"is a whole number or a tuple \(a whole number, a whole number\) or None, not \(1, 2, 3\)",
        ),
        ({"image_size": 100}, "100 is no multiple of 16: 96 or 112"),
        ({"image_size": 8}, "too small"),
        ({"channels": 0}, "channels of vit-ti16 is at least 1, not 0"),
        ({"patch": 0}, "patch of vit-ti16 is at least 1, not 0"),
        ({"heads": 7}, "width of 192 can't be shared among 7 heads"),
        ({"pool": "max"}, "pool is one of token, mean, not 'max'"),
    ],
)
def test_value_that_cannot_be_is_refused(overrides, says):
    with pytest.raises(ValueError, match=says):
        keras_vit.build("vit-ti16", **overrides)


@pytest.mark.parametrize(
    ("overrides", "says"),
    [
        ({"pre_norm": "false"}, "pre_norm of vit-ti16 is True or False, not 'false'"),
        ({"pre_norm": 1}, "pre_norm of vit-ti16 is True or False, not 1"),
        ({"depth": "3"}, "depth of vit-ti16 is a whole number, not '3'"),
        ({"depth": 3.0}, "depth of vit-ti16 is a whole number, not 3.0"),
        ({"dropout": float("nan")}, "dropout of vit-ti16 is a finite number, not nan"),
        ({"dropout": None}, "dropout of vit-ti16 is a finite number, not None"),
        ({"image_size": "32"}, "image_size of vit-ti16 is a whole number or a tuple .a whole number, a whole number."),
    ],
)
def test_value_of_another_type_is_refused_by_the_name_of_its_option(overrides, says):
    with pytest.raises(ValueError, match=f"^{says}"):
        keras_vit.build("vit-ti16", **overrides)


def test_overrides_change_the_model():
    model = keras_vit.build("vit-s16", classes=10, image_size=(96, 64), channels=1, patch=8, depth=2)
    assert model.name == "vit-s16"
    assert (model.input.shape, model.output.shape) == ((None, 96, 64, 1), (None, 10))


def test_numbers_of_numpy_and_lists_are_numbers_and_tuples():
    given = {"classes": np.int64(5), "image_size": [np.int32(32), 48], "dropout": np.float32(0.5), "depth": np.array(1)}
    model = keras_vit.build("vit-ti16", **given, qkv_bias=np.bool_(False))
    assert (model.input.shape, model.output.shape) == ((None, 32, 48, 3), (None, 5))
    assert heads.classify(keras_vit.build("lenet-5", classes=0), np.int64(3)).output.shape == (None, 3)
    _, config = registry.resolve("vit-ti16", given)
    assert all(type(x) in (int, float) for x in (config.classes, *config.image_size, config.dropout, config.depth))
