"""Every family of the zoo keeps the contract, and has the published numbers of weights."""

import pytest

import keras_vit
from keras_vit import testing
from keras_vit.counting import count_parameters

PUBLISHED = {
    "vit-ti16": 5_717_416,
    "vit-s32": 22_878_952,
    "vit-s16": 22_050_664,
    "vit-s8": 22_055_272,
    "vit-b32": 88_224_232,
    "vit-b16": 86_567_656,
    "vit-b16-384": 86_859_496,
    "vit-b8": 86_576_872,
    "vit-l32": 306_535_400,
    "vit-l32-384": 306_632_680,
    "vit-l16": 304_326_632,
    "vit-l16-384": 304_715_752,
    "vit-l14": 304_203_752,
    "vit-h14": 632_045_800,
    "vit-g14": 1_012_611_432,
    "vit-gg14": 1_844_440_680,
    "resnet-18": 11_689_512,
    "resnet-34": 21_797_672,
    "resnet-50": 25_557_032,
    "resnet-101": 44_549_160,
    "resnet-152": 60_192_808,
    "lenet-5": 156 + 2_416 + 48_120 + 10_164 + 850,  # C1, C3, C5, F6, output
    "mlp": (28 * 28 + 1) * 512 + (512 + 1) * 512 + (512 + 1) * 10,
}


@pytest.mark.parametrize("check", testing.CHECKS, ids=lambda check: check.__name__)
@pytest.mark.parametrize("family", keras_vit.list_families())
def test_family_keeps_the_contract(family, check):
    check(family)


def test_every_model_has_a_published_count():
    assert keras_vit.list_models() == sorted(PUBLISHED)


@pytest.mark.parametrize("name", PUBLISHED)
def test_trainable_weights_are_exact(name):
    assert count_parameters(name) == PUBLISHED[name]
