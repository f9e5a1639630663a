"""Mixer and ResMLP compute what timm computes on the same random weights, from both releases' names."""

import numpy as np
import pytest
from kit.references import difference_to, images_of, random_reference, relative, save_reference, torch_output

from keras_vit import build
from keras_vit.weights import load_weights

pytestmark = pytest.mark.parity


def _reference(timm, name, depth, size=(224, 224)):
    reference = timm.create_model(name, num_classes=11, img_size=size)
    reference.blocks = reference.blocks[:depth]
    return random_reference(reference)


@pytest.mark.parametrize(
    ("name", "theirs", "depth", "size"),
    [
        ("mixer-s32", "mixer_s32_224", 8, (224, 224)),
        ("mixer-s16", "mixer_s16_224", 2, (96, 160)),
        ("mixer-b16", "mixer_b16_224", 2, (224, 224)),
        ("resmlp-s12", "resmlp_12_224", 12, (224, 224)),
        ("resmlp-s24", "resmlp_24_224", 2, (96, 160)),
        ("resmlp-b24", "resmlp_big_24_224", 1, (224, 224)),
    ],
)
def test_mixer_equals_timm(timm, tmp_path, name, theirs, depth, size):
    reference = _reference(timm, theirs, depth, size)
    path = save_reference(reference, tmp_path / "mixer.safetensors")
    assert difference_to(reference, path, name, size, "timm", depth=depth, classes=11) < 1e-4


def test_mixer_reads_the_release_of_the_paper(timm, tmp_path):
    reference = _reference(timm, "mixer_s16_224", 2)
    path = tmp_path / "mixer.npz"
    np.savez(path, **_released({name: tensor.numpy() for name, tensor in reference.state_dict().items()}))
    model = build("mixer-s16", depth=2, classes=11)
    assert load_weights(model, path).source == "npz"
    images = images_of((224, 224))
    assert relative(model(images, training=False), torch_output(reference, images).numpy()) < 1e-4


def test_mixer_of_another_size_refuses_the_weights_by_name(timm, tmp_path):
    path = save_reference(_reference(timm, "mixer_s32_224", 1), tmp_path / "mixer.safetensors")
    with pytest.raises(ValueError, match="block_0/tokens/fc1/kernel is"):
        load_weights(build("mixer-s32", depth=1, classes=11, image_size=96), path)


def _released(state):
    """Returns the tensors of timm's `state` as Google's release names and lays them out."""
    named = {"stem/kernel": state["stem.proj.weight"].transpose(2, 3, 1, 0), "stem/bias": state["stem.proj.bias"]}
    for name, theirs in (("norm", "pre_head_layer_norm"), *_norms_of(0), *_norms_of(1)):
        named |= {f"{theirs}/scale": state[f"{name}.weight"], f"{theirs}/bias": state[f"{name}.bias"]}
    denses = [(f"blocks.{i}.{name}", f"MixerBlock_{i}/{theirs}") for i in range(2) for name, theirs in _DENSES]
    for name, theirs in (("head", "head"), *denses):
        named |= {f"{theirs}/kernel": state[f"{name}.weight"].T, f"{theirs}/bias": state[f"{name}.bias"]}
    assert len(named) == len(state)
    return named


_DENSES = [
    (f"mlp_{ours}.fc{i + 1}", f"{theirs}_mixing/Dense_{i}")
    for ours, theirs in (("tokens", "token"), ("channels", "channel"))
    for i in range(2)
]


def _norms_of(i):
    return [(f"blocks.{i}.norm{j + 1}", f"MixerBlock_{i}/LayerNorm_{j}") for j in range(2)]
