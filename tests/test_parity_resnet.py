"""ResNet computes what timm computes on the same random weights."""

import pytest
from references import difference_to, random_reference, save_reference

pytestmark = pytest.mark.parity


@pytest.mark.parametrize("size", [(224, 224), (96, 160), (97, 65)])
@pytest.mark.parametrize("depth", [18, 50])
def test_resnet_equals_timm(timm, tmp_path, depth, size):
    reference = random_reference(timm.create_model(f"resnet{depth}", num_classes=11))
    path = save_reference(reference, tmp_path / "resnet.safetensors")
    assert difference_to(reference, path, f"resnet-{depth}", size, "timm", classes=11) < 1e-4
