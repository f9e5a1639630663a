"""The attention of windows is laid on the cells that the windows hold."""

import numpy as np
import pytest
from kit.numpy_reference import softmax, weights_of

from keras_vit.analysis import lay_windows
from keras_vit.taps import tap
from keras_vit.testing import small


def by_hand(model, x, side, window, shift, heads):
    """Returns the matrix over all cells of x (h, w, D), the block's normed input, cell by cell; None for no meeting."""
    w = weights_of(model.get_layer("stage_0_block_1" if shift else "stage_0_block_0"))
    q, k, _ = np.split(x @ w["attention/within/qkv/kernel"] + w["attention/within/qkv/bias"], 3, axis=-1)
    size = q.shape[-1] // heads
    full = -(-side // window) * window
    logits = np.full((heads, side, side, side, side), -np.inf)
    for a in np.ndindex(side, side):
        for b in np.ndindex(side, side):
            # where each stands once the map is rolled back by the shift
            (ay, ax), (by, bx) = (tuple((each - shift) % side for each in cell) for cell in (a, b))
            if (ay // window, ax // window) != (by // window, bx // window):
                continue
            table = w["attention/bias/table"][ay - by + window - 1, ax - bx + window - 1]
            apart = any(region(one, full, window, shift) != region(other, full, window, shift)
                        for one, other in ((ay, by), (ax, bx)))  # fmt: skip
            for h in range(heads):
                part = slice(h * size, (h + 1) * size)
                logits[(h, *a, *b)] = q[a][part] @ k[b][part] / np.sqrt(size) + table[h] - 100.0 * apart
    return softmax(logits.reshape(heads, side**2, side**2))


def region(place, full, window, shift):
    return 0 if place < full - window else 1 if place < full - shift else 2


@pytest.mark.parametrize("block", [0, 1])
def test_windows_lie_on_their_cells(block):
    model = small("swin", image_size=24)  # 6 x 6 cells in windows of 3
    images = np.random.default_rng(3).normal(size=(2, 24, 24, 3)).astype("float32")
    name = f"stage_0_attention_{block}"
    got = tap(model, [name, f"stage_0_norm1_{block}"])(images)
    whole = lay_windows(model, name, got[name])
    normed = np.asarray(got[f"stage_0_norm1_{block}"], "float64")
    for i in range(2):
        expected = by_hand(model, normed[i], 6, 3, block, 2)
        np.testing.assert_allclose(whole[i], expected, rtol=1e-3, atol=1e-5)
    np.testing.assert_allclose(whole.sum(-1), 1, atol=1e-5)


def test_padding_takes_its_share_of_a_row():
    model = small("swin")  # 7 x 7 cells in windows of 3: two rows and columns of padding
    images = np.random.default_rng(3).normal(size=(1, 28, 28, 3)).astype("float32")
    windows = np.asarray(tap(model, "stage_0_attention_0")(images)["stage_0_attention_0"])
    whole = lay_windows(model, "stage_0_attention_0", windows)
    assert whole.shape == (1, 2, 49, 49)
    np.testing.assert_allclose(whole[:, :, 0].sum(-1), 1, atol=1e-5)
    corner = windows[0, 8, :, 0, 0]  # of the last window one cell is real
    np.testing.assert_allclose(whole[0, :, 48].sum(-1), corner, atol=1e-6)
    np.testing.assert_allclose(whole[0, :, 48, 48], corner, atol=1e-6)


def test_open_model_needs_the_size_of_the_map():
    model, images = small("swin", image_size=None), np.ones((1, 24, 36, 3), "float32")
    windows = tap(model, "stage_1_attention_0")(images)["stage_1_attention_0"]
    assert lay_windows(model, "stage_1_attention_0", windows, (3, 5)).shape == (1, 4, 15, 15)
    with pytest.raises(ValueError, match=r"give size=\(h, w\)"):
        lay_windows(model, "stage_1_attention_0", windows)
    with pytest.raises(ValueError, match=r"on a map of \(9, 9\) are \(B, 9, heads, 9, 9\), not \(1, 2, 4, 9, 9\)"):
        lay_windows(model, "stage_1_attention_0", windows, (9, 9))


def test_what_is_no_attention_within_windows_is_refused():
    with pytest.raises(ValueError, match="'attention_0' of vit-ti16 is no attention within windows"):
        lay_windows(small("vit"), "attention_0", np.ones((1, 3, 17, 17)))
    with pytest.raises(ValueError, match="'stage_0_block_0' of swin-t is no attention within windows"):
        lay_windows(small("swin"), "stage_0_block_0", np.ones((1, 3, 17, 17)))
