"""DeiT and DeiT III compute what timm and transformers compute on the same random weights."""

import numpy as np
import pytest
from kit.references import difference_to, images_of, random_reference, relative, save_reference, torch_output

from keras_vit import build
from keras_vit.weights import load_weights

pytestmark = pytest.mark.parity
_OURS = {"depth": 2, "classes": 11}
_KINDS = {
    "deit-ti16": "deit_tiny_patch16_224",
    "deit-s16-distilled": "deit_small_distilled_patch16_224",
    "deit3-s16": "deit3_small_patch16_224",
    "deit3-m16": "deit3_medium_patch16_224",
    "deit3-h14": "deit3_huge_patch14_224",
}


def _reference(timm, name, **options):
    return random_reference(timm.create_model(name, num_classes=11, depth=2, **options))


@pytest.mark.parametrize("name", _KINDS)
def test_deit_equals_timm(timm, tmp_path, name):
    reference = _reference(timm, _KINDS[name])
    path = save_reference(reference, tmp_path / "deit.safetensors")
    assert difference_to(reference, path, name, (224, 224), "timm", **_OURS) < 1e-4


@pytest.mark.parametrize(
    ("name", "theirs"),
    [
        ("deit-b16-distilled-384", "deit_base_distilled_patch16_384"),
        ("deit3-b16-384", "deit3_base_patch16_384"),
    ],
)
def test_deit_of_384_px_equals_timm(timm, tmp_path, name, theirs):
    reference = _reference(timm, theirs)
    path = save_reference(reference, tmp_path / "deit.safetensors")
    assert difference_to(reference, path, name, (384, 384), "timm", **_OURS) < 1e-4


@pytest.mark.parametrize("name", ["deit-s16-distilled", "deit3-s16"])
def test_deit_of_224_px_equals_timm_at_another_size(timm, tmp_path, name):
    from timm.models.vision_transformer import checkpoint_filter_fn

    small = _reference(timm, _KINDS[name])
    path = save_reference(small, tmp_path / "deit.safetensors")
    reference = _reference(timm, _KINDS[name], img_size=(96, 160))
    reference.load_state_dict(checkpoint_filter_fn(dict(small.state_dict()), reference))
    assert difference_to(reference, path, name, (96, 160), "timm", **_OURS) < 1e-4


def test_both_heads_equal_timm_in_distilled_training(timm, tmp_path):
    reference = _reference(timm, "deit_tiny_distilled_patch16_224", img_size=48)
    path = save_reference(reference, tmp_path / "deit.safetensors")
    images = images_of((48, 48))
    reference.train().set_distilled_training(True)  # without dropout: training changes the outputs alone
    expected = torch_output(reference, images)
    model = build("deit-ti16-distilled", path, image_size=48, distillation="both", **_OURS)
    got = model(images, training=True)
    assert relative(got["head"], expected[0].numpy()) < 1e-4
    assert relative(got["head_dist"], expected[1].numpy()) < 1e-4
    averaging = build("deit-ti16-distilled", image_size=48, **_OURS)
    averaging.set_weights(model.get_weights())
    mean = (np.array(got["head"]) + np.array(got["head_dist"])) / 2
    assert relative(averaging(images, training=False), mean) < 1e-5


@pytest.mark.parametrize("distilled", [True, False])
def test_deit_equals_transformers(timm, tmp_path, distilled):  # timm: for the operators that torchvision lacks
    transformers = pytest.importorskip("transformers")
    size = {"hidden_size": 192, "num_hidden_layers": 2, "num_attention_heads": 3, "intermediate_size": 768}
    config = transformers.DeiTConfig(**size, num_labels=11, layer_norm_eps=1e-6)  # as DeiT itself and timm
    if distilled:
        reference = transformers.DeiTForImageClassificationWithTeacher(config)
    else:  # the publisher's undistilled files are ViTs
        reference = transformers.ViTForImageClassification(transformers.ViTConfig(**config.to_diff_dict()))
    random_reference(reference).save_pretrained(tmp_path)  # under the names of the published files
    images = images_of((224, 224))
    expected = torch_output(reference, images).logits.numpy()
    model = build("deit-ti16-distilled" if distilled else "deit-ti16", **_OURS)
    assert load_weights(model, tmp_path / "model.safetensors").source == "huggingface"
    assert relative(model(images, training=False), expected) < 1e-4


def test_outputs_of_two_heads_other_than_known_are_refused():
    with pytest.raises(ValueError, match=r"'mean', 'both', 'head', not 'first'"):
        build("deit-ti16-distilled", image_size=48, depth=1, distillation="first")
