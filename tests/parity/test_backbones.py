"""Backbones without a head, and classifiers of one head, compute what transformers computes."""

import logging

import numpy as np
import pytest
from kit.references import images_of, random_reference, relative, save_reference, torch_output

from keras_vit import build
from keras_vit.weights import CheckpointError, load_weights

pytestmark = pytest.mark.parity
_VIT = {"hidden_size": 24, "num_hidden_layers": 1, "num_attention_heads": 3, "layer_norm_eps": 1e-6}
_VIT_OURS = {"width": 24, "depth": 1, "heads": 3, "mlp_dim": 96, "image_size": 32}
_STAGES = {"hidden_sizes": [8, 16, 32, 64], "depths": [1, 1, 1, 1]}
_KINDS = {  # kind: (theirs, our name, ours)
    "ViT": ({**_VIT, "intermediate_size": 96, "image_size": 32}, "vit-ti16", _VIT_OURS),
    "DeiT": ({**_VIT, "intermediate_size": 96, "image_size": 32}, "deit-ti16-distilled", _VIT_OURS),
    "Dinov2": ({**_VIT, "patch_size": 16, "image_size": 32}, "dinov2-s14", {**_VIT_OURS, "patch": 16}),
    "Beit": (
        {**_VIT, "intermediate_size": 96, "image_size": 32, "use_relative_position_bias": True},
        "beit-b16",
        _VIT_OURS,
    ),
    "Swin": (
        {"embed_dim": 8, "depths": [1, 1], "num_heads": [1, 2], "window_size": 2, "image_size": 32},
        "swin-t",
        {"width": 8, "blocks": (1, 1), "heads": (1, 2), "window": 2, "image_size": 32},
    ),
    "ConvNext": (_STAGES, "convnext-t", {"width": 8, "blocks": (1, 1, 1, 1), "image_size": 64}),
    "ResNet": (
        {**_STAGES, "hidden_sizes": [32, 64, 128, 256], "embedding_size": 8},
        "resnet-50",
        {"width": 8, "blocks": (1, 1, 1, 1), "image_size": 64},
    ),
    "Bit": (
        {**_STAGES, "hidden_sizes": [256, 512, 1024, 2048], "embedding_size": 64},
        "resnetv2-50x1-bit",
        {"blocks": (1, 1, 1, 1), "image_size": 64},
    ),
}


@pytest.fixture(scope="module")
def saved(timm, tmp_path_factory):  # timm: for the operators that torchvision lacks
    """Returns (reference, folder) of a kind's backbone, made once."""
    transformers, made = pytest.importorskip("transformers"), {}

    def save(kind):
        if kind not in made:
            config = getattr(transformers, f"{kind}Config")(**_KINDS[kind][0])
            made[kind] = (
                random_reference(getattr(transformers, f"{kind}Model")(config)),
                tmp_path_factory.mktemp(kind),
            )
            made[kind][0].save_pretrained(made[kind][1])
        return made[kind]

    return save


def _map(output, side):
    """Returns the map (B, h, w, D) of what transformers calls the last hidden state."""
    output = output.last_hidden_state
    if output.ndim == 4:
        return output.permute(0, 2, 3, 1).numpy()
    return output[:, -side * side :].reshape(len(output), side, side, -1).numpy()


@pytest.mark.parametrize("kind", _KINDS)
def test_backbone_of_transformers_equals_it(saved, kind):
    reference, folder = saved(kind)
    _, name, ours = _KINDS[kind]
    model = build(name, classes=0, **ours)
    report = load_weights(model, folder)  # the folder of save_pretrained
    assert report.source == "huggingface" and len(report.of("loaded")) == len(model.weights)
    images = images_of((ours["image_size"],) * 2)
    got = model(images, training=False)["map"]
    assert relative(got, _map(torch_output(reference, images), got.shape[1])) < 1e-4
    assert all(name.startswith(("pooler.", "layernorm.")) for name in _not_needed(report))


def _not_needed(report):
    said = [note for note in report.notes if note.startswith("not needed: ")]
    return said[0].removeprefix("not needed: ").split(", ") if said else []


@pytest.mark.parametrize("kind", ["Beit", "Swin", "ConvNext", "Bit"])
def test_backbone_begins_a_classifier_whose_head_is_new(saved, kind, caplog):
    _, folder = saved(kind)
    _, name, ours = _KINDS[kind]
    with pytest.raises(CheckpointError, match="pass leave='head'"):
        load_weights(build(name, classes=5, **ours), folder)
    with caplog.at_level(logging.WARNING, "keras_vit"):
        model = build(name, weights=folder, classes=5, **ours)
    assert "has no head, the model 5: its head is new" in caplog.text
    assert np.array_equal(model(np.zeros((1, *model.input_shape[1:]), "float32")), np.zeros((1, 5)))


def test_bit_classifier_of_transformers_equals_it(timm, tmp_path):
    transformers = pytest.importorskip("transformers")
    theirs, name, ours = _KINDS["Bit"]
    reference = random_reference(
        transformers.BitForImageClassification(transformers.BitConfig(**theirs, num_labels=11))
    )
    path = save_reference(reference, tmp_path / "bit.safetensors")
    model = build(name, path, classes=11, **ours)
    images = images_of((64, 64))
    assert relative(model(images, training=False), torch_output(reference, images).logits.numpy()) < 1e-4


@pytest.fixture(scope="module")
def one_head(timm, tmp_path_factory):
    """(reference, file) of transformers' DeiT that was fine-tuned: one head, beside an idle distillation token."""
    transformers = pytest.importorskip("transformers")
    config = transformers.DeiTConfig(**_KINDS["DeiT"][0], num_labels=11)
    reference = random_reference(transformers.DeiTForImageClassification(config))
    folder = tmp_path_factory.mktemp("deit")
    reference.save_pretrained(folder)
    return reference, folder / "model.safetensors"


def test_deit_of_one_head_equals_transformers(one_head):
    reference, path = one_head
    model = build("deit-ti16-distilled", path, distillation="head", classes=11, **_VIT_OURS)
    images = images_of((32, 32))
    assert relative(model(images, training=False), torch_output(reference, images).logits.numpy()) < 1e-4


def test_deit_of_one_head_is_never_averaged_with_an_untrained_one(one_head):
    reference, path = one_head
    model = build("deit-ti16-distilled", classes=11, **_VIT_OURS)
    before = [np.array(weight) for weight in model.weights]
    for leave, says in (
        ((), "for a file of one head build the model with distillation='head'"),
        (
            "head_dist",
            "head_dist would stay untrained; for a file of one head build it with distillation='head'",
        ),
    ):
        with pytest.raises(CheckpointError, match=says):
            load_weights(model, path, leave=leave)
    with pytest.raises(CheckpointError, match="distillation='head'"):
        build("deit-ti16-distilled", path, classes=11, **_VIT_OURS)
    assert all(np.array_equal(old, new) for old, new in zip(before, model.weights, strict=True))
    both = build("deit-ti16-distilled", classes=11, distillation="both", **_VIT_OURS)
    load_weights(both, path, leave="head_dist")  # each head has an output of its own
    images = images_of((32, 32))
    expected = torch_output(reference, images).logits.numpy()
    assert relative(both(images, training=False)["head"], expected) < 1e-4
