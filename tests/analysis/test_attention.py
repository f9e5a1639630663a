"""Attention maps follow their papers, written out in NumPy, and every family has its methods or a sentence."""

import keras
import numpy as np
import pytest
from kit.numpy_reference import attend, gelu, layer_norm, weights_of

import keras_vit
from keras_vit import analysis
from keras_vit.analysis import lay_windows
from keras_vit.taps import tap
from keras_vit.testing import randomise, small

HEADS, GRID, BLOCKS = 3, (2, 3), 3


@pytest.fixture
def model():
    options = {"width": 12, "depth": 3, "heads": HEADS, "mlp_dim": 20, "patch": 8, "image_size": (16, 24), "classes": 5}
    return randomise(keras_vit.build("vit-ti16", **options))


@pytest.fixture
def images(rng):
    return rng.normal(size=(2, 16, 24, 3)).astype("float32")


def taps(model, images, names):
    return {name: np.asarray(each, "float64") for name, each in tap(model, names)(images).items()}


def matrices(model, images):
    return list(taps(model, images, [f"attention_{i}" for i in range(BLOCKS)]).values())


def share(row, grid=GRID):
    return (row / row.sum(-1, keepdims=True)).reshape(*row.shape[:-1], *grid)


def test_dino_map_is_the_class_row_of_the_last_block(model, images):
    expected = share(matrices(model, images)[-1][:, :, 0, 1:])
    np.testing.assert_allclose(analysis.attention(model, images, "dino"), expected, rtol=1e-6)
    raw = analysis.attention(model, images, "raw", block="attention_1")
    np.testing.assert_allclose(raw.reshape(2, HEADS, 6), matrices(model, images)[1][:, :, 0, 1:], rtol=1e-6)


def test_dino_mass_keeps_the_fewest_cells_that_hold_it(model, images):
    every = analysis.attention(model, images, "dino").reshape(2 * HEADS, 6)
    kept = analysis.attention(model, images, "dino", mass=0.6).reshape(2 * HEADS, 6)
    for before, after in zip(every, kept, strict=True):
        sums = np.cumsum(np.sort(before)[::-1])
        assert np.count_nonzero(after) == np.searchsorted(sums, 0.6) + 1 < 6
        np.testing.assert_allclose(after.sum(), sums[np.count_nonzero(after) - 1])
    with pytest.raises(ValueError, match="mass is above 0 and at most 1, not 60"):
        analysis.attention(model, images, "dino", mass=60)


def test_rollout_multiplies_all_blocks(model, images):
    rolled = np.broadcast_to(np.eye(7), (2, 7, 7))
    for matrix in matrices(model, images):
        rolled = (0.5 * matrix.mean(axis=1) + 0.5 * np.eye(7)) @ rolled
    np.testing.assert_allclose(analysis.attention(model, images), share(rolled[:, 0, 1:]), rtol=1e-6)


def rolled_with_discard(model, images, keepdims):
    """Rollout without the smaller half of each matrix; a sum without keepdims divides columns instead of rows."""
    rolled = np.broadcast_to(np.eye(7), (2, 7, 7))
    for matrix in matrices(model, images):
        mean = matrix.mean(axis=1)
        for each in mean:
            each.flat[np.argsort(each, axis=None)[:24]] = 0
        factor = 0.5 * mean + 0.5 * np.eye(7)
        sums = factor.sum(-1)
        factor = np.stack([one / (s[:, None] if keepdims else s) for one, s in zip(factor, sums, strict=True)])
        rolled = factor @ rolled
    return share(rolled[:, 0, 1:])


def test_rollout_with_discard_normalises_rows_and_not_columns(model, images):
    got = analysis.attention(model, images, discard=0.5)
    np.testing.assert_allclose(got, rolled_with_discard(model, images, keepdims=True), rtol=1e-6)
    assert np.abs(got - rolled_with_discard(model, images, keepdims=False)).max() > 1e-3


def logits_by_hand(model, x, shifts):
    """Returns the logits from tokens x (B, N, D) on, each block's matrix shifted by its `shifts` (B, heads, N, N)."""
    for i in range(BLOCKS):
        w = weights_of(model.get_layer(f"block_{i}"))
        inner = {key.removeprefix("attention/"): value for key, value in w.items()}
        normed = layer_norm(x, w["norm1/gamma"], w["norm1/beta"])
        out, _ = attend(normed, inner, HEADS)
        values = np.split(normed @ inner["qkv/kernel"] + inner["qkv/bias"], 3, axis=-1)[2]
        values = values.reshape(*x.shape[:2], HEADS, -1).swapaxes(1, 2)
        shifted = (shifts[i] @ values).swapaxes(1, 2).reshape(x.shape)
        x = x + out + shifted @ inner["out/kernel"]
        hidden = gelu(layer_norm(x, w["norm2/gamma"], w["norm2/beta"]) @ w["mlp/fc1/kernel"] + w["mlp/fc1/bias"])
        x = x + hidden @ w["mlp/fc2/kernel"] + w["mlp/fc2/bias"]
    norm, head = (
        dict(zip(("a", "b"), map(np.asarray, model.get_layer(n).weights), strict=True)) for n in ("norm", "head")
    )
    return layer_norm(x[:, 0], norm["a"], norm["b"]) @ head["a"] + head["b"]


def slopes_by_hand(model, images, target):
    """Returns dy/dA of each block (B, heads, N, N) by central differences in float64."""
    before = keras.Model(model.input, model.get_layer("embed_dropout").output)
    slopes = np.zeros((BLOCKS, len(images), HEADS, 7, 7))
    for b, x in enumerate(np.asarray(before(images), "float64")):
        for i in range(BLOCKS):
            count, step = HEADS * 49, 1e-5
            shifts = np.zeros((BLOCKS, 2 * count, HEADS, 7, 7))
            shifts[i] = np.concatenate([np.eye(count), -np.eye(count)]).reshape(-1, HEADS, 7, 7) * step
            y = logits_by_hand(model, np.repeat(x[None], 2 * count, 0), shifts)[:, target[b]]
            slopes[i, b] = ((y[:count] - y[count:]) / (2 * step)).reshape(HEADS, 7, 7)
    return slopes


def test_gradient_map_is_that_of_the_paper_and_pairs_each_block_with_its_own_gradient(model, images):
    target = [1, 3]
    seen, slopes = matrices(model, images), slopes_by_hand(model, images, target)
    maps = {}
    for order in ("own", "reversed"):  # the second pairs the first block with the gradient of the last
        relevance = np.broadcast_to(np.eye(7), (2, 7, 7))
        for matrix, slope in zip(seen, slopes if order == "own" else slopes[::-1], strict=True):
            relevance = relevance + np.maximum(slope * matrix, 0).mean(axis=1) @ relevance
        maps[order] = share(relevance[:, 0, 1:])
    got = analysis.attention(model, images, "gradient", target=target)
    np.testing.assert_allclose(got, maps["own"], rtol=2e-3, atol=1e-5)
    assert np.abs(got - maps["reversed"]).max() > 0.01
    assert np.abs(got - analysis.attention(model, images, "gradient", target=4)).max() > 0.01


def test_gradcam_weighs_channels_by_their_mean_gradient():
    model = small("convnext", image_size=(64, 96))
    images = np.random.default_rng(1).normal(size=(2, 64, 96, 3)).astype("float32")
    got = analysis.attention(model, images, "gradcam", target=2)
    values = taps(model, images, ["stage_3"])["stage_3"]
    # from the last map on: mean over cells, layer normalisation, a matrix; its gradient is the same for every cell
    w = np.asarray(model.get_layer("head").kernel, "float64")[:, 2]
    gamma = np.asarray(model.get_layer("fc_norm").gamma, "float64")
    pooled = values.mean(axis=(1, 2))
    centred = pooled - pooled.mean(1, keepdims=True)
    deviation = np.sqrt((centred**2).mean(1, keepdims=True) + 1e-6)
    s, normal = gamma * w, centred / deviation
    slope = (s - s.mean() - normal * (s * normal).mean(1, keepdims=True)) / deviation / 6
    assert got.shape == (2, 2, 3) and got.max() > 0
    np.testing.assert_allclose(got, np.maximum(np.einsum("bd,bhwd->bhw", slope, values), 0), rtol=1e-3, atol=1e-5)


def test_gradcam_of_a_class_token_takes_what_it_last_reads(model, images):
    got = analysis.attention(model, images, "gradcam", target=1)
    np.testing.assert_array_equal(got, analysis.attention(model, images, "gradcam", layer="block_1", target=1))
    assert got.shape == (2, *GRID) and got.any()
    for layer in ("block_2", "norm"):  # their patches reach no head
        with pytest.raises(
            ValueError, match=f"depends on the cells that '{layer}' gives.*earlier layer, such as 'block_1'"
        ):
            analysis.attention(model, images, "gradcam", layer=layer)
    with pytest.raises(ValueError, match="layer is one of embed, block_0.*not 'attention_1'"):
        analysis.attention(model, images, "gradcam", layer="attention_1")


def test_gradcam_of_an_untrained_head_says_that_it_is_all_zeros(images):
    untrained = keras_vit.build("vit-ti16", image_size=images.shape[1:3], depth=2, patch=8, width=24, heads=2)
    with pytest.raises(ValueError, match="logits of vit-ti16 don't depend on 'block_0' at all: its head is all zeros"):
        analysis.attention(untrained, images, "gradcam")


def test_occlusion_paints_each_patch(model, images):
    def probability(pixels):
        logits = np.asarray(model(pixels), "float64")
        return (np.exp(logits) / np.exp(logits).sum(1, keepdims=True))[:, 4]

    got = analysis.attention(model, images, "occlusion", patch=7, value=0.5, target=4)
    assert got.shape == (2, 3, 4)
    painted = images.copy()
    painted[:, 14:, 7:14] = 0.5
    np.testing.assert_allclose(got[:, 2, 1], probability(images) - probability(painted), atol=1e-6)
    with pytest.raises(ValueError, match="patch is a side from 1 to 24 px, not 0"):
        analysis.attention(model, images, "occlusion", patch=0)


OFFERS = {
    **dict.fromkeys(["vit", "deit", "deit3", "dinov2", "beit"], "raw dino rollout gradient gradcam occlusion"),
    "cait": "raw dino gradient gradcam occlusion",
    "swin": "raw rollout gradient gradcam occlusion",
    **dict.fromkeys(["convnext", "convmixer", "lenet", "mixer", "resmlp", "resnet", "resnetv2"], "gradcam occlusion"),
    "mlp": "occlusion",
}


@pytest.mark.parametrize("family", keras_vit.list_families())
def test_every_family_has_each_method_or_a_sentence(family):
    model = small(family)
    images = np.random.default_rng(4).normal(size=(2, *model.input.shape[1:])).astype("float32")
    offered = analysis.methods(model)
    assert offered == OFFERS[family].split()
    for method in analysis.METHODS:
        if method not in offered:
            with pytest.raises(
                ValueError, match=f"{method!r} won't do for {model.name}: .*; it offers {', '.join(offered)}$"
            ):
                analysis.attention(model, images, method)
            continue
        options = {"patch": max(images.shape[1] // 2, 1)} if method == "occlusion" else {}
        maps = analysis.attention(model, images, method, **options)
        assert maps.ndim == (4 if method in ("raw", "dino") else 3) and len(maps) == 2 and np.isfinite(maps).all()
        assert maps.shape[-1] * maps.shape[-2] > 1 and np.abs(maps[0] - maps[1]).max() > 0


@pytest.mark.parametrize("method", analysis.METHODS)
def test_each_image_of_a_batch_has_its_own_map(model, images, method):
    alone = np.concatenate([analysis.attention(model, images[i : i + 1], method) for i in range(2)])
    np.testing.assert_allclose(analysis.attention(model, images, method), alone, rtol=1e-3, atol=1e-6)


def test_backbone_has_the_maps_that_need_no_class():
    backbone = small("dinov2", classes=0)
    assert analysis.methods(backbone) == ["raw", "dino", "rollout"]
    with pytest.raises(ValueError, match="no head that tells classes; it offers raw, dino, rollout"):
        analysis.attention(backbone, np.ones((1, 32, 32, 3), "float32"), "gradcam")


def test_rollout_and_raw_follow_windows_through_the_stages():
    model = small("swin", blocks=(2, 2), heads=(2, 4))  # maps of 7 x 7 and 4 x 4 cells
    images = np.random.default_rng(1).normal(size=(2, 28, 28, 3)).astype("float32")
    names = [f"stage_{i}_attention_{j}" for i in range(2) for j in range(2)]
    whole = [lay_windows(model, name, each).mean(1) for name, each in tap(model, names)(images).items()]
    merge = np.zeros((16, 49))
    for y, x in np.ndindex(7, 7):
        merge[(y // 2) * 4 + x // 2, y * 7 + x] = 1
    merge /= merge.sum(1, keepdims=True)
    small_rows = np.full((2, 1, 16), 1 / 16) @ (0.5 * whole[3] + 0.5 * np.eye(16)) @ (0.5 * whole[2] + 0.5 * np.eye(16))
    rows = small_rows @ merge @ (0.5 * whole[1] + 0.5 * np.eye(49)) @ (0.5 * whole[0] + 0.5 * np.eye(49))
    np.testing.assert_allclose(analysis.attention(model, images), share(rows[:, 0], (7, 7)), rtol=1e-4)
    raw = analysis.attention(model, images, "raw", block=names[1])
    received = lay_windows(model, names[1], tap(model, names[1])(images)[names[1]]).mean(axis=2)
    np.testing.assert_allclose(raw, received.reshape(2, 2, 7, 7), rtol=1e-4)


def test_rollout_of_beit_starts_at_the_cells_that_its_head_averages():
    model = small("beit")
    images = np.random.default_rng(1).normal(size=(2, 32, 32, 3)).astype("float32")
    first, last = (
        0.5 * each.mean(1) + 0.5 * np.eye(17) for each in taps(model, images, ["attention_0", "attention_1"]).values()
    )
    row = (last @ first)[:, 1:].mean(axis=1)[:, 1:]
    np.testing.assert_allclose(analysis.attention(model, images), share(row, (4, 4)), rtol=1e-5)


def test_gradient_of_swin_falls_on_what_the_class_reads():
    """With the matrices of the last stage alone, its map is their positive gradients by central differences."""
    model = small("swin", blocks=(1,), heads=(2,), image_size=12)  # one window of 3 x 3 cells
    images = np.random.default_rng(1).normal(size=(1, 12, 12, 3)).astype("float32")
    block = model.get_layer("stage_0_block_0")
    x = keras.Model(model.input, model.get_layer("embed_dropout").output)(images)
    matrix = taps(model, images, ["stage_0_attention_0"])["stage_0_attention_0"][0, 0]
    after = keras.Model(model.get_layer("stage_0").input, model.output)
    step = 1e-2
    deltas = np.concatenate([np.eye(162), -np.eye(162)]).reshape(-1, 1, 2, 9, 9).astype("float32") * step
    y = np.asarray(after(block(np.repeat(x, 324, 0), attention_delta=deltas)), "float64")[:, 3]
    slope = ((y[:162] - y[162:]) / (2 * step)).reshape(2, 9, 9)
    expected = np.maximum(slope * matrix, 0).mean(0).mean(0)
    got = analysis.attention(model, images, "gradient", target=3)
    np.testing.assert_allclose(got, share(expected[None], (3, 3)), rtol=0.02, atol=2e-3)


def test_open_hybrid_and_two_headed_models_have_maps():
    hybrid = small("vit", trunk=(), patch=2, image_size=None)
    images = np.random.default_rng(1).normal(size=(2, 32, 48, 3)).astype("float32")
    for method in ("rollout", "gradient", "gradcam"):
        assert analysis.attention(hybrid, images, method).shape == (2, 4, 6)
    assert analysis.attention(small("lenet", image_size=None), images[..., :1], "gradcam").shape == (2, 1, 5)
    both = small("deit", distillation="both")
    np.testing.assert_allclose(analysis.attention(both, images[:, :, :32], "gradient").sum((1, 2)), 1)


def test_maps_of_a_bfloat16_model_are_near(model, images):
    keras.config.set_dtype_policy("mixed_bfloat16")
    mixed = keras_vit.build("vit-ti16", width=12, depth=3, heads=3, mlp_dim=20, patch=8, image_size=(16, 24), classes=5)
    mixed.set_weights(model.get_weights())
    for method in ("rollout", "gradient"):
        exact, near = (
            analysis.attention(each, images, method, **({} if method == "rollout" else {"target": 1}))
            for each in (model, mixed)
        )
        np.testing.assert_allclose(near, exact, atol=0.05)


def test_unknown_methods_options_and_classes_are_refused(model, images):
    with pytest.raises(ValueError, match="one of raw, dino, .*, not 'magic'; vit-ti16 offers raw, dino"):
        analysis.attention(model, images, "magic")
    with pytest.raises(ValueError, match="'dino' has no option 'target'; it has mass"):
        analysis.attention(model, images, "dino", target=1)
    with pytest.raises(ValueError, match="a class from 0 to 4, or one for each of 2 images, not 5"):
        analysis.attention(model, images, "gradient", target=5)
    with pytest.raises(ValueError, match="block is one of attention_0, .*not 'block_1'"):
        analysis.attention(model, images, "raw", block="block_1")
    with pytest.raises(ValueError, match="discard is a share from 0 to below 1, not 90"):
        analysis.attention(model, images, discard=90)
