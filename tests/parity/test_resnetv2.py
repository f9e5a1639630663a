"""ResNetV2 and BiT compute what timm computes on the same random weights."""

import re

import numpy as np
import pytest
from kit.references import difference_to, random_reference, save_reference

pytestmark = pytest.mark.parity
_BLOCKS = (1, 2, 1, 1)  # a kind differs from another in width and norm, not in depth


def _bit(blocks, times):
    from timm.models.resnetv2 import _create_resnetv2_bit

    name = "resnetv2_50x1_bit"  # its row alone passes other depths and widths on
    return random_reference(_create_resnetv2_bit(name, layers=blocks, width_factor=times, num_classes=11))


@pytest.mark.parametrize("size", [(224, 224), (96, 160), (97, 65)])
def test_resnetv2_equals_timm(timm, tmp_path, size):
    reference = random_reference(timm.create_model("resnetv2_50", num_classes=11))
    path = save_reference(reference, tmp_path / "resnetv2.safetensors")
    assert difference_to(reference, path, "resnetv2-50", size, "timm", classes=11) < 1e-4


@pytest.mark.parametrize(
    ("name", "times", "blocks", "size"),
    [
        ("resnetv2-50x1-bit", 1, (3, 4, 6, 3), (224, 224)),
        ("resnetv2-50x3-bit", 3, _BLOCKS, (224, 224)),
        ("resnetv2-101x1-bit", 1, _BLOCKS, (448, 448)),
        ("resnetv2-152x2-bit", 2, _BLOCKS, (96, 160)),
        ("resnetv2-50x1-bit", 1, _BLOCKS, (97, 65)),
    ],
)
def test_bit_equals_timm(timm, tmp_path, name, times, blocks, size):
    reference = _bit(blocks, times)
    path = save_reference(reference, tmp_path / "bit.safetensors")
    assert difference_to(reference, path, name, size, "timm", blocks=blocks, classes=11) < 1e-4


def _published(name, array):
    """Returns the name that the release of BiT gives to timm's tensor `name`, and the array as it is stored there."""
    if array.ndim == 4:
        array = array.transpose(2, 3, 1, 0)
    name = re.sub(r"^stem\.conv\.weight", "root_block/standardized_conv2d/kernel", name)
    name = re.sub(r"^head\.fc\.weight", "head/conv2d/kernel", name)
    name = re.sub(r"^head\.fc\.bias", "head/conv2d/bias", name)
    name = re.sub(r"^norm\.", "group_norm.", name)
    name = re.sub(r"^stages\.(\d)\.blocks\.(\d+)\.", lambda m: f"block{int(m[1]) + 1}/unit{int(m[2]) + 1:02d}/", name)
    name = re.sub(r"conv(\d)\.weight", lambda m: f"{' abc'[int(m[1])]}/standardized_conv2d/kernel", name)
    name = re.sub(r"norm(\d)\.", lambda m: f"{' abc'[int(m[1])]}/group_norm.", name)
    name = name.replace("downsample.conv.weight", "a/proj/standardized_conv2d/kernel")
    return "resnet/" + name.replace(".weight", "/gamma").replace(".bias", "/beta"), array


def test_bit_reads_the_npz_of_its_release_as_timm_does(timm, tmp_path):
    blocks = (1, 10, 1, 1)
    path = tmp_path / "bit.npz"
    np.savez(path, **dict(_published(name, each.numpy()) for name, each in _bit(blocks, 1).state_dict().items()))
    other = random_reference(_bit(blocks, 1), seed=1)
    other.load_pretrained(path)  # raises where a name of the release is absent
    assert difference_to(other, path, "resnetv2-50x1-bit", (64, 96), "npz", blocks=blocks, classes=11) < 1e-4
