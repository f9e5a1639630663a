"""The formulas of the papers, written out in NumPy."""

import math

import numpy as np


def softmax(x):
    e = np.exp(x - x.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


def layer_norm(x, gamma, beta, epsilon=1e-6):
    mean, variance = x.mean(-1, keepdims=True), x.var(-1, keepdims=True)
    return (x - mean) / np.sqrt(variance + epsilon) * gamma + beta


def gelu(x):
    return x * 0.5 * (1 + np.vectorize(math.erf)(x / math.sqrt(2)))


def silu(x):
    return x / (1 + np.exp(-x))


def weights_of(layer):
    """Returns {path below the layer: float64 array}."""
    return {w.path.split("/", 1)[1]: np.asarray(w, "float64") for w in layer.weights}


def attend(x, w, heads, bias=None, q_norm=None, k_norm=None, turn=None):
    """Multi-head attention of x (B, N, D), head by head; returns (output, scores)."""
    width = w["qkv/kernel"].shape[1] // 3
    size = width // heads
    qkv = x @ w["qkv/kernel"] + w.get("qkv/bias", 0)
    outputs, matrices = [], []
    for h in range(heads):
        q, k, v = (qkv[..., i * width + h * size : i * width + (h + 1) * size] for i in range(3))
        if "bias_q" in w:
            q, v = q + w["bias_q"][h * size : (h + 1) * size], v + w["bias_v"][h * size : (h + 1) * size]
        if q_norm:
            q, k = q_norm(q), k_norm(k)
        if turn:
            q, k = turn(q), turn(k)
        logits = q @ k.swapaxes(1, 2) / math.sqrt(size)
        scores = softmax(logits if bias is None else logits + bias[..., h, :, :])
        outputs.append(scores @ v)
        matrices.append(scores)
    return np.concatenate(outputs, -1) @ w["out/kernel"] + w.get("out/bias", 0), np.stack(matrices, 1)


def hsic(k, m):
    """Song et al. 2012, equation 5, with its three terms."""
    n = len(k)
    k, m = k - np.diag(np.diag(k)), m - np.diag(np.diag(m))
    ones = np.ones(n)
    terms = (
        np.trace(k @ m)
        + (ones @ k @ ones) * (ones @ m @ ones) / ((n - 1) * (n - 2))
        - 2 / (n - 2) * ones @ k @ m @ ones
    )
    return terms / (n * (n - 3))


def linear(x):
    x = np.asarray(x, "float64").reshape(len(x), -1)
    return x @ x.T


def cka_by_hand(first, second, gram):
    """`first` and `second`: minibatches of layers."""

    def mean(one, i, other, j):
        return np.mean([hsic(gram(a[i]), gram(b[j])) for a, b in zip(one, other, strict=True)])

    return np.array([
        [mean(first, i, second, j) / np.sqrt(mean(first, i, first, i) * mean(second, j, second, j))
         for j in range(len(second[0]))] for i in range(len(first[0]))
    ])  # fmt: skip
