"""ConvMixer computes what timm computes on the same random weights."""

import pytest
from kit.references import difference_to, random_reference, save_reference

pytestmark = pytest.mark.parity


@pytest.mark.parametrize("size", [(224, 224), (97, 120)])
@pytest.mark.parametrize(
    ("name", "theirs"),
    [
        ("convmixer-768-32", "convmixer_768_32"),
        ("convmixer-1024-20", "convmixer_1024_20_ks9_p14"),
        ("convmixer-1536-20", "convmixer_1536_20"),
    ],
)
def test_convmixer_equals_timm(timm, tmp_path, name, theirs, size):
    reference = timm.create_model(theirs, num_classes=11)
    reference.blocks = reference.blocks[:2]
    path = save_reference(random_reference(reference), tmp_path / "convmixer.safetensors")
    assert difference_to(reference, path, name, size, "timm", depth=2, classes=11) < 1e-4


def test_whole_convmixer_equals_timm(timm, tmp_path):
    reference = random_reference(timm.create_model("convmixer_768_32", num_classes=11))
    path = save_reference(reference, tmp_path / "convmixer.safetensors")
    assert difference_to(reference, path, "convmixer-768-32", (112, 70), "timm", classes=11) < 1e-4
