"""Checkpoints load strictly: ours and Google's, at other sizes and channels; what doesn't fit is listed."""

import h5py
import keras
import numpy as np
import pytest
from kit.numpy_reference import gelu, layer_norm, softmax
from kit.refusals import refusal
from safetensors.numpy import save_file

import keras_vit
from keras_vit import bundle
from keras_vit.layers.position import resize_table
from keras_vit.testing import randomise
from keras_vit.weights import CheckpointError
from keras_vit.weights.adapt import adapt_channels

WIDTH, DEPTH, HEADS, HIDDEN, CLASSES = 12, 3, 3, 20, 7
OPTIONS = {
    "width": WIDTH, "depth": DEPTH, "heads": HEADS, "mlp_dim": HIDDEN, "patch": 8, "classes": CLASSES,
    "image_size": (32, 32), "native_size": (32, 32),
}  # fmt: skip


def vit(**overrides):
    return keras_vit.build("vit-ti16", **{**OPTIONS, **overrides})


@pytest.fixture
def npz(rng):
    """The tensors of a small ViT as the original release names and lays them out."""

    def random(*shape):
        return rng.normal(0, 0.3, size=shape).astype("float32")

    size = WIDTH // HEADS
    arrays = {
        "embedding/kernel": random(8, 8, 3, WIDTH),
        "embedding/bias": random(WIDTH),
        "cls": random(1, 1, WIDTH),
        "Transformer/posembed_input/pos_embedding": random(1, 17, WIDTH),
        "Transformer/encoder_norm/scale": random(WIDTH),
        "Transformer/encoder_norm/bias": random(WIDTH),
        "head/kernel": random(WIDTH, CLASSES),
        "head/bias": random(CLASSES),
    }
    for i in range(DEPTH):
        block = f"Transformer/encoderblock_{i}"
        for norm in ("LayerNorm_0", "LayerNorm_2"):
            arrays |= {f"{block}/{norm}/scale": random(WIDTH), f"{block}/{norm}/bias": random(WIDTH)}
        for part in ("query", "key", "value"):
            path = f"{block}/MultiHeadDotProductAttention_1/{part}"
            arrays |= {f"{path}/kernel": random(WIDTH, HEADS, size), f"{path}/bias": random(HEADS, size)}
        path = f"{block}/MultiHeadDotProductAttention_1/out"
        arrays |= {f"{path}/kernel": random(HEADS, size, WIDTH), f"{path}/bias": random(WIDTH)}
        for dense, shape in (("Dense_0", (WIDTH, HIDDEN)), ("Dense_1", (HIDDEN, WIDTH))):
            path = f"{block}/MlpBlock_3/{dense}"
            arrays |= {f"{path}/kernel": random(*shape), f"{path}/bias": random(shape[1])}
    return arrays


def forward(a, images):
    """The original ViT's logits for `images` (B, 32, 32, 3), from the release's tensors."""
    batch = len(images)
    patches = images.reshape(batch, 4, 8, 4, 8, 3).transpose(0, 1, 3, 2, 4, 5).reshape(batch, 16, 192)
    x = patches @ a["embedding/kernel"].reshape(192, WIDTH) + a["embedding/bias"]
    x = np.concatenate([np.broadcast_to(a["cls"], (batch, 1, WIDTH)), x], 1)
    x = x + a["Transformer/posembed_input/pos_embedding"]
    for i in range(DEPTH):
        block = f"Transformer/encoderblock_{i}"
        path = f"{block}/MultiHeadDotProductAttention_1"
        y = layer_norm(x, a[f"{block}/LayerNorm_0/scale"], a[f"{block}/LayerNorm_0/bias"])
        q, k, v = (
            np.einsum("bnd,dhk->bhnk", y, a[f"{path}/{part}/kernel"]) + a[f"{path}/{part}/bias"][:, None]
            for part in ("query", "key", "value")
        )
        scores = softmax(q @ k.swapaxes(2, 3) / np.sqrt(WIDTH / HEADS))
        x = x + np.einsum("bhnk,hkd->bnd", scores @ v, a[f"{path}/out/kernel"]) + a[f"{path}/out/bias"]
        y = layer_norm(x, a[f"{block}/LayerNorm_2/scale"], a[f"{block}/LayerNorm_2/bias"])
        path = f"{block}/MlpBlock_3"
        y = gelu(y @ a[f"{path}/Dense_0/kernel"] + a[f"{path}/Dense_0/bias"])
        x = x + y @ a[f"{path}/Dense_1/kernel"] + a[f"{path}/Dense_1/bias"]
    x = layer_norm(x, a["Transformer/encoder_norm/scale"], a["Transformer/encoder_norm/bias"])
    return x[:, 0] @ a["head/kernel"] + a["head/bias"]


def test_npz_of_the_original_release_computes_what_the_paper_says(npz, rng, tmp_path):
    np.savez(tmp_path / "vit.npz", **npz)
    model = vit()
    report = keras_vit.load_weights(model, tmp_path / "vit.npz")
    assert (report.source, len(report.of("loaded"))) == ("npz", len(model.weights))
    images = rng.normal(size=(2, 32, 32, 3))
    np.testing.assert_allclose(model(images), forward(npz, images), rtol=1e-4, atol=1e-4)


def test_pre_logits_of_the_original_release_are_left_out_by_name_only(npz, tmp_path):
    np.savez(tmp_path / "vit.npz", **npz, **{"pre_logits/kernel": np.zeros((WIDTH, WIDTH), "float32")})
    with pytest.raises(CheckpointError, match=r"no weight for \(1\):\n    pre_logits/kernel"):
        keras_vit.load_weights(vit(), tmp_path / "vit.npz")
    report = keras_vit.load_weights(vit(), tmp_path / "vit.npz", leave="pre_logits")
    assert len(report.of("loaded")) == len(vit().weights)


@pytest.mark.parametrize("size", [(48, 48), (24, 40)])
@pytest.mark.parametrize("kind", ["npz", "weights.h5", "keras"])
def test_checkpoint_of_one_size_loads_at_another(npz, tmp_path, size, kind):
    np.savez(tmp_path / "vit.npz", **npz)
    source = vit(weights=tmp_path / "vit.npz")
    path = tmp_path / f"vit.{kind}"
    if kind != "npz":
        source.save(path) if kind == "keras" else source.save_weights(path)
    model = vit(image_size=size)
    report = keras_vit.load_weights(model, path)
    grid = (size[0] // 8, size[1] // 8)
    assert [row.action for row in report.of("resized")] == [f"resized 4x4 to {grid[0]}x{grid[1]}"]
    table = npz["Transformer/posembed_input/pos_embedding"][0, 1:].reshape(4, 4, WIDTH)
    got = next(w for w in model.weights if w.path == "position/table")
    np.testing.assert_allclose(got, resize_table(table, grid), atol=1e-6)


def test_size_none_keeps_the_table_and_gives_what_the_fixed_size_gives(npz, rng, tmp_path):
    np.savez(tmp_path / "vit.npz", **npz)
    opened = vit(image_size=None, weights=tmp_path / "vit.npz")
    for size in [(32, 32), (24, 40)]:
        images = rng.normal(size=(2, *size, 3)).astype("float32")
        fixed = vit(image_size=size, weights=tmp_path / "vit.npz")
        np.testing.assert_allclose(opened(images), fixed(images), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("channels", [1, 5])
def test_rgb_checkpoint_loads_into_other_channels(npz, tmp_path, channels):
    np.savez(tmp_path / "vit.npz", **npz)
    model = vit(channels=channels)
    report = keras_vit.load_weights(model, tmp_path / "vit.npz")
    assert [row.action for row in report.of("adapted")] == [f"adapted 3 to {channels} channels"]
    assert "embed/kernel" in str(report) and f"adapted 3 to {channels} channels" in str(report)


def test_grey_kernel_gives_what_a_grey_image_in_three_channels_gave(rng):
    kernel, image = rng.normal(size=(3, 3, 3, 5)), rng.normal(size=(3, 3, 1))
    grey = np.einsum("hwc,hwcd->d", image, adapt_channels(kernel, 1))
    np.testing.assert_allclose(grey, np.einsum("hwc,hwcd->d", np.repeat(image, 3, 2), kernel))


def test_kernel_of_more_channels_keeps_the_size_of_sums():
    np.testing.assert_allclose(adapt_channels(np.ones((1, 1, 3, 2)), 5).sum(axis=2), 3.0)
    five = adapt_channels(np.arange(3.0).reshape(1, 1, 3, 1), 5)
    np.testing.assert_allclose(five.ravel(), np.array([0, 1, 2, 0, 1]) * 3 / 5)


@pytest.mark.parametrize("suffix", ["weights.h5", "keras"])
@pytest.mark.parametrize("name", ["vit-ti16", "resnet-18", "lenet-5", "mlp"])
@pytest.mark.slow
def test_our_own_files_load_after_training(tmp_path, name, suffix):
    options = {"classes": 3, **({"depth": 1, "image_size": 32} if name == "vit-ti16" else {})}
    model = randomise(keras_vit.build(name, **options))
    model.compile("adam", "mse")
    model.train_on_batch(np.zeros((2, *(side or 32 for side in model.input.shape[1:]))), np.zeros((2, 3)))
    path = tmp_path / f"model.{suffix}"
    model.save(path) if suffix == "keras" else model.save_weights(path)
    other = keras_vit.build(name, weights=path, **options)
    for got, expected in zip(other.weights, model.weights, strict=True):
        np.testing.assert_array_equal(got, expected, err_msg=got.path)


def test_reloaded_model_still_knows_its_family(npz, tmp_path):
    np.savez(tmp_path / "vit.npz", **npz)
    vit().save(tmp_path / "model.keras")
    model = keras.models.load_model(tmp_path / "model.keras")
    assert keras_vit.load_weights(model, tmp_path / "vit.npz").source == "npz"


def test_name_of_a_model_says_nothing_of_its_family(npz, tmp_path):
    np.savez(tmp_path / "vit.npz", **npz)
    model = vit()
    model.name = "my_model"
    assert keras_vit.load_weights(model, tmp_path / "vit.npz").source == "npz"


def test_family_of_a_model_without_origin_is_found_by_its_tensors(npz, rng, tmp_path):
    np.savez(tmp_path / "vit.npz", **npz)
    model = vit()
    bundle.update(model, origin=None)
    assert keras_vit.load_weights(model, tmp_path / "vit.npz").source == "vit/npz"
    images = rng.normal(size=(2, 32, 32, 3))
    np.testing.assert_allclose(model(images), forward(npz, images), rtol=1e-4, atol=1e-4)
    assert "vit-ti16, which doesn't say its family, knows no source 'npz'; it knows" in refusal(
        model, tmp_path / "vit.npz", source="npz"
    )


def test_every_tensor_left_over_on_either_side_is_listed(npz, tmp_path):
    del npz["cls"], npz["Transformer/encoderblock_1/LayerNorm_2/bias"]
    np.savez(tmp_path / "vit.npz", **npz, extra=np.zeros(3), more=np.zeros(2))
    said = refusal(vit(), tmp_path / "vit.npz")
    assert "no tensor for (2):" in said and "class_token/token (sought as cls)" in said
    assert "block_1/norm2/beta (sought as Transformer/encoderblock_1/LayerNorm_2/bias)" in said
    assert "no weight for (2):\n    extra\n    more" in said


def test_checkpoint_of_another_model_is_refused_with_its_shapes(npz, tmp_path):
    np.savez(tmp_path / "vit.npz", **npz)
    said = refusal(vit(mlp_dim=24), tmp_path / "vit.npz")
    assert (
        "block_0/mlp/fc1/kernel is (12, 24), Transformer/encoderblock_0/MlpBlock_3/Dense_0/kernel is (12, 20)" in said
    )
    assert "another shape or type (9)" in said
    vit().save_weights(tmp_path / "vit.weights.h5")
    assert "no tensor for" in refusal(keras_vit.build("lenet-5"), tmp_path / "vit.weights.h5")


def test_checkpoint_of_another_family_names_that_family(npz, tmp_path):
    np.savez(tmp_path / "vit.npz", **npz)
    assert "its names are those of: vit (npz names)" in refusal(keras_vit.build("resnet-18"), tmp_path / "vit.npz")
    np.savez(tmp_path / "none.npz", some=np.zeros(1), thing=np.ones(2))
    said = refusal(keras_vit.build("resnet-18"), tmp_path / "none.npz")
    assert "its names are those of: no family that is known" in said


def test_head_of_other_classes_is_refused_unless_left(npz, tmp_path):
    np.savez(tmp_path / "vit.npz", **npz)
    model = vit(classes=5)
    assert (
        "its head is one of 7 classes, which build(…, classes=7) has; for a head of your own pass leave='head'"
        in refusal(model, tmp_path / "vit.npz")
    )
    report = keras_vit.load_weights(model, tmp_path / "vit.npz", leave=["head"])
    assert [row.ours for row in report.of("left")] == ["head/kernel", "head/bias"]
    assert "left as it was" in str(report)
    with pytest.raises(CheckpointError, match="leave='haed' names no weight"):
        keras_vit.load_weights(model, tmp_path / "vit.npz", leave="haed")


def test_checkpoint_loads_into_a_backbone_when_its_head_is_left(npz, tmp_path):
    np.savez(tmp_path / "vit.npz", **npz)
    report = keras_vit.load_weights(vit(classes=0), tmp_path / "vit.npz", leave="head")
    assert len(report.of("loaded")) == len(vit(classes=0).weights)


def test_unknown_source_is_answered_with_the_known(npz, tmp_path):
    np.savez(tmp_path / "vit.npz", **npz)
    assert "knows no source 'tim'; it knows timm" in refusal(vit(), tmp_path / "vit.npz", source="tim")
    save_file({"a": np.zeros(2)}, tmp_path / "a.safetensors")
    assert "knows no source None; it knows none" in refusal(keras_vit.build("mlp"), tmp_path / "a.safetensors")


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("model.pth", b"\x80", "is a pickle, which can run code; convert it to safetensors"),
        ("notes.txt", b"hello", "is no checkpoint; weights load from .safetensors, .npz"),
        ("model.safetensors", b"hello", "can't be read as .safetensors"),
        ("model.npz", b"hello", "can't be read as .npz"),
        ("model.weights.h5", b"hello", "can't be read as .weights.h5"),
        ("model.keras", b"hello", "can't be read as .keras"),
    ],
)
def test_file_that_is_no_checkpoint_is_refused(tmp_path, name, content, says):
    (tmp_path / name).write_bytes(content)
    assert says in refusal(keras_vit.build("lenet-5"), tmp_path / name)


def test_missing_file_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"no file '.*nowhere\.npz'"):
        keras_vit.build("lenet-5", weights=tmp_path / "nowhere.npz")


def test_npz_that_holds_a_pickle_is_refused(tmp_path):
    np.savez(tmp_path / "evil.npz", cls=np.array([{"a": 1}], dtype=object))
    with pytest.raises(CheckpointError, match="cls is object"):
        keras_vit.load_weights(vit(), tmp_path / "evil.npz", leave=("head", "block", "embed", "pos", "norm"))


def test_weights_file_that_points_to_another_file_is_refused(tmp_path):
    model = keras_vit.build("lenet-5")
    path = tmp_path / "lenet.weights.h5"
    model.save_weights(path)
    np.zeros(10, "float32").tofile(tmp_path / "secret.bin")
    with h5py.File(path, "r+") as file:
        group = file["layers/linear_head/vars"]
        del group["1"]
        group.create_dataset("1", (10,), "float32", external=[(str(tmp_path / "secret.bin"), 0, 40)])
    assert "points to another file" in refusal(model, path)
