"""Attention and what is made of it are what timm's models and captum's methods give on the same random weights."""

import numpy as np
import pytest
from kit.references import images_of, random_reference, relative, save_reference

import keras_vit
from keras_vit import analysis
from keras_vit.taps import tap
from keras_vit.weights import load_weights

pytestmark = pytest.mark.parity
TARGETS = np.array([3, 8])


@pytest.fixture(scope="module")
def captum():
    return pytest.importorskip("captum.attr")


def pair_of(timm, folder, theirs, ours, size, own=None, **options):
    """Returns timm's model, whose attention keeps its matrices, and ours with the same weights."""
    from timm.layers import set_fused_attn

    set_fused_attn(False)
    try:
        reference = random_reference(timm.create_model(theirs, num_classes=11, img_size=size, **options))
    finally:
        set_fused_attn(True)
    model = keras_vit.build(ours, image_size=size, classes=11, **(own or options))
    load_weights(model, save_reference(reference, folder / "reference.safetensors"))
    return reference, model


@pytest.fixture
def vits(timm, tmp_path):
    return pair_of(timm, tmp_path, "vit_tiny_patch16_224", "vit-ti16", (64, 96), depth=3)


def pixels_of(images):
    import torch

    return torch.from_numpy(images.transpose(0, 3, 1, 2).copy())


def matrices_of(reference, modules, images):
    """Returns what each of timm's `modules`, the dropouts behind its softmax, is given for `images`."""
    import torch

    found = []
    hooks = [each.register_forward_hook(lambda _, given, __: found.append(given[0].numpy())) for each in modules]
    with torch.no_grad():
        reference(pixels_of(images))
    for hook in hooks:
        hook.remove()
    assert len(found) == len(modules), "timm computed its attention without matrices"
    return found


def followed(matrices, keep):
    """Returns the share of each of 4 x 6 patches in the class token, after I * `keep` + A through all blocks."""
    whole = np.eye(matrices[0].shape[-1])
    for matrix in np.asarray(matrices, "float64"):
        whole = (keep * np.eye(matrix.shape[-1]) + matrix) @ whole
    seen = whole[:, 0, 1:].reshape(-1, 4, 6)
    return seen / seen.sum(axis=(1, 2), keepdims=True)


def test_matrices_and_maps_of_a_vit_are_timms(vits):
    reference, model = vits
    images = images_of((64, 96))
    theirs = matrices_of(reference, [block.attn.attn_drop for block in reference.blocks], images)
    ours = tap(model, [f"attention_{i}" for i in range(3)])(images)
    for i, matrix in enumerate(theirs):
        assert relative(ours[f"attention_{i}"], matrix) < 1e-4
    last = theirs[-1][:, :, 0, 1:].reshape(2, 3, 4, 6)
    assert relative(analysis.attention(model, images, "raw"), last) < 1e-4
    assert relative(analysis.attention(model, images, "dino"), last / last.sum(axis=(2, 3), keepdims=True)) < 1e-4
    rolled = followed([matrix.mean(axis=1) for matrix in theirs], keep=1.0)
    assert relative(analysis.attention(model, images, "rollout"), rolled) < 1e-4


def test_windows_of_a_swin_are_timms(timm, tmp_path):
    reference, model = pair_of(
        timm, tmp_path, "swin_tiny_patch4_window7_224", "swin-t", (112, 112), own={"window": 7, "patch": 4}
    )
    images = images_of((112, 112))
    modules = [block.attn.attn_drop for stage in reference.layers[:2] for block in stage.blocks]
    names = [f"stage_{stage}_attention_{block}" for stage in range(2) for block in range(2)]
    ours = tap(model, names)(images)
    for name, theirs in zip(names, matrices_of(reference, modules, images), strict=True):
        got = np.asarray(ours[name])
        assert relative(got, theirs.reshape(got.shape)) < 1e-4, name


def test_gradient_map_is_made_of_captums_gradient_times_attention(vits, captum):
    reference, model = vits
    images = images_of((64, 96))
    fused = []
    for block in reference.blocks:
        method = captum.LayerGradientXActivation(reference, block.attn.attn_drop)
        product = method.attribute(pixels_of(images), target=TARGETS.tolist()).detach().numpy()
        fused.append(np.maximum(product, 0).mean(axis=1))
    assert relative(analysis.attention(model, images, "gradient", target=TARGETS), followed(fused, keep=1.0)) < 1e-3


@pytest.mark.parametrize(
    ("theirs", "ours", "layer"),
    [("resnet18", "resnet-18", lambda net: net.layer4), ("convnext_atto", "convnext-atto", lambda net: net.stages[-1])],
)
def test_gradcam_of_the_last_map_is_captums(timm, captum, tmp_path, theirs, ours, layer):
    reference = random_reference(timm.create_model(theirs, num_classes=11))
    model = keras_vit.build(ours, image_size=(96, 160), classes=11)
    load_weights(model, save_reference(reference, tmp_path / "reference.safetensors"))
    images = images_of((96, 160))
    method = captum.LayerGradCam(reference, layer(reference))
    expected = method.attribute(pixels_of(images), target=TARGETS.tolist(), relu_attributions=True)
    got = analysis.attention(model, images, "gradcam", target=TARGETS)
    assert got.max() > 0 and relative(got, expected.detach().numpy()[:, 0]) < 1e-3


def test_occlusion_is_captums(vits, captum):
    reference, model = vits
    images = images_of((64, 96))
    method = captum.Occlusion(lambda pixels: reference(pixels).softmax(dim=-1))
    window = (3, 16, 16)
    expected = method.attribute(pixels_of(images), window, window, baselines=0.5, target=TARGETS.tolist()).numpy()
    got = analysis.attention(model, images, "occlusion", patch=16, value=0.5, target=TARGETS)
    assert np.abs(got).max() > 1e-3 and relative(got, expected[:, 0, 8::16, 8::16]) < 1e-3
