"""ResNet computes what timm and transformers compute on the same random weights."""

import pytest
from kit.references import difference_to, random_reference, save_reference

pytestmark = pytest.mark.parity


@pytest.mark.parametrize("size", [(224, 224), (96, 160), (97, 65)])
@pytest.mark.parametrize("depth", [18, 50])
def test_resnet_equals_timm(timm, tmp_path, depth, size):
    reference = random_reference(timm.create_model(f"resnet{depth}", num_classes=11))
    path = save_reference(reference, tmp_path / "resnet.safetensors")
    assert difference_to(reference, path, f"resnet-{depth}", size, "timm", classes=11) < 1e-4


@pytest.mark.parametrize(
    ("depth", "kind", "widths", "blocks"),
    [(18, "basic", (64, 128, 256, 512), (2, 2, 2, 2)), (50, "bottleneck", (256, 512, 1024, 2048), (3, 4, 6, 3))],
)
def test_resnet_equals_transformers(tmp_path, depth, kind, widths, blocks):
    transformers = pytest.importorskip("transformers")
    config = transformers.ResNetConfig(hidden_sizes=widths, depths=blocks, layer_type=kind, num_labels=11)
    whole = random_reference(transformers.ResNetForImageClassification(config))
    path = save_reference(whole, tmp_path / "resnet.safetensors")

    def logits(images):
        return whole(images).logits

    assert difference_to(logits, path, f"resnet-{depth}", (224, 224), "huggingface", classes=11) < 1e-4
