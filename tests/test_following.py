"""What of a configuration depends on another option follows it, unless it is given itself."""

import dataclasses

import keras
import pytest

import keras_vit
from keras_vit import registry
from keras_vit.registry import resolve

WIDE = [
    name
    for name in registry.list_families()
    for config in [next(iter(registry.family(name).variants.values()))]
    if hasattr(config, "width") and hasattr(config, "mlp_dim")
]


def config_of(name, **overrides):
    return resolve(name, overrides)[1]


def test_every_family_with_an_mlp_of_its_own_width_is_asked():
    assert sorted(WIDE) == ["beit", "cait", "deit", "deit3", "dinov2", "mixer", "resmlp", "vit"]


@pytest.mark.parametrize("name", WIDE)
def test_mlp_keeps_its_ratio_to_the_width(name):
    for row, config in registry.family(name).variants.items():
        half = config_of(registry.join(name, row), width=config.width // 2)
        assert half.mlp_dim * config.width == config.mlp_dim * half.width
        assert dataclasses.replace(half, width=config.width, mlp_dim=config.mlp_dim) == config  # nothing else changed


def test_ratio_that_gives_no_whole_number_is_rounded():
    assert config_of("vit-g14", width=80).mlp_dim == 349  # 6144 / 1408 * 80 = 349.09
    assert config_of("vit-ti16", width=1, heads=1).mlp_dim == 4


@pytest.mark.parametrize(
    ("width", "heads"), [(64, 1), (96, 3), (128, 2), (80, 1), (100, 2), (7, 1), (448, 7), (320, 5)]
)
def test_heads_stay_where_they_divide_the_width_and_else_keep_their_own_width_most_nearly(width, heads):
    assert config_of("vit-ti16", width=width).heads == heads  # 3 heads of 64 numbers


def test_a_width_that_no_memory_holds_is_answered_at_once():
    for width in (2**70, 10**400):
        assert config_of("vit-b16", width=width).mlp_dim == 4 * width


@pytest.mark.parametrize(("width", "heads"), [(64, (2, 4, 8, 16)), (48, (3, 6, 12, 24)), (32, (1, 2, 4, 8))])
def test_heads_of_stages_follow_together(width, heads):
    assert config_of("swin-t", width=width).heads == heads  # 3 heads of 32 numbers in the first stage


def test_what_is_given_wins():
    config = config_of("vit-ti16", width=64, mlp_dim=100, heads=4)
    assert (config.mlp_dim, config.heads) == (100, 4)
    assert config_of("vit-ti16", width=64, heads=4).mlp_dim == 256
    assert config_of("mixer-s16", width=64).token_mlp_dim == 256  # which mixes places, not channels
    assert config_of("mixer-s16", width=64, mlp_dim=7).mlp_dim == 7
    with pytest.raises(ValueError, match=r"width of 64 can't be shared among 5 heads; 2 or 4 heads"):
        keras_vit.build("vit-ti16", width=64, heads=5, depth=1, image_size=32)


@pytest.mark.parametrize(
    "name", ["vit-ti16", "cait-xxs24", "swin-t", "mixer-s16", "resmlp-s12", "beit-b16", "vit-b16-rope"]
)
def test_width_alone_gives_a_network_whose_mlps_follow(name):
    depth = {"blocks": (1, 1, 1, 1)} if name == "swin-t" else {"depth": 1}
    model = keras_vit.build(name, width=64, image_size=32, classes=3, **depth)
    block = model.get_layer("stage_0_block_0" if name == "swin-t" else "block_0")
    assert tuple(block.mlp.fc1.kernel.shape) == (64, 256)
    again = keras.Model.from_config(model.get_config())
    assert [each.shape for each in again.weights] == [each.shape for each in model.weights]
