"""The later forms of ViT keep the contract of a family, which the zoo's test checks on the plain one."""

import pytest
from kit.contract import checks

import keras_vit
from keras_vit import registry

_SHAPE = {"width": 24, "depth": 2, "heads": 3, "mlp_dim": 40, "patch": 8, "image_size": 32, "native_size": 32}
_KINDS = {
    "mixed rotary positions, registers, mean pooling": {
        "position": "mixed",
        "registers": 2,
        "class_token": False,
        "pool": "mean",
        "pool_norm": True,
        "qkv_bias": False,
        "layer_scale": 0.1,
    },
    "a convolutional stem": {"stem": (5, 11), "patch": 2},
    "fixed rotary positions after a norm": {"position": "rotary", "pre_norm": True, "activation": "swiglu"},
}


def test_a_stem_and_a_trunk_exclude_each_other():
    with pytest.raises(ValueError, match=r"stem=\(5,\) and trunk=\(\) both stand before the patches"):
        keras_vit.build("vit-r-ti16", stem=(5,))


@pytest.mark.parametrize("check", checks())
@pytest.mark.parametrize("kind", _KINDS)
def test_kind_keeps_the_contract(kind, check, monkeypatch):
    found = registry.family("vit")
    config = type(found.small)(**_SHAPE | _KINDS[kind])
    small = found._replace(small=config, variants={"small": config})
    monkeypatch.setitem(registry._registered["vit"], found.module, small)
    check("vit")
