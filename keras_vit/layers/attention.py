"""Scaled dot-product attention over the tokens of an image."""

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from keras_vit.layers.dense import Dense
from keras_vit.layers.intermediates import Tappable
from keras_vit.layers.norm import LayerNormalization
from keras_vit.overrides import nearest_divisors

_QKV_BIAS = (True, False, "qv")


@keras.saving.register_keras_serializable("keras_vit")
class MultiHeadAttention(Tappable):
    """Lets every token look at all tokens: (B, N, D) to (B, N, D).

    Vaswani et al. 2017 (arXiv 1706.03762), softmax(q k^T / sqrt(d)) v in `heads` heads of d =
    `head_width` numbers (D / heads unless given). One projection makes q, k and v. `qkv_bias` "qv" leaves
    the keys without a bias, as BEiT does; `qk_norm` layer-normalises queries and keys by head.
    `dropout` acts on the matrix in training only, and costs nothing at inference.
    With `talking_heads` the heads' logits, and again their scores, are mixed linearly (Shazeer et al. 2020,
    arXiv 2003.02436). If `queries` is set, only the first `queries` tokens act as queries, and the output is
    (B, queries, D): with 1 the class attention of Touvron et al. 2021 (arXiv 2103.17239).
    """

    def __init__(
        self,
        heads: int,
        head_width: int | None = None,
        qkv_bias: bool | str = True,
        out_bias: bool = True,
        qk_norm: bool = False,
        dropout: float = 0.0,
        epsilon: float = 1e-6,
        talking_heads: bool = False,
        queries: int | None = None,
        **kwargs: Any,
    ):
        super().__init__(**kwargs)
        if qkv_bias not in _QKV_BIAS:
            raise ValueError(f"qkv_bias is True, False or 'qv', not {qkv_bias!r}")
        self.heads = heads
        self.head_width = head_width
        self.qkv_bias = qkv_bias
        self.out_bias = out_bias
        self.qk_norm = qk_norm
        self.dropout = dropout
        self.epsilon = epsilon
        self.talking_heads = talking_heads
        self.queries = queries

    def build(self, shape: tuple) -> None:
        width = shape[-1]
        if self.head_width is None and width % self.heads:
            fitting = sorted(nearest_divisors(width, self.heads)[:2])
            raise ValueError(
                f"a width of {width} can't be shared among {self.heads} heads; {' or '.join(map(str, fitting))} heads "
                "can, and a layer by itself takes a head_width"
            )
        self.size = self.head_width or width // self.heads
        inner = self.heads * self.size
        options = {"dtype": self.dtype_policy}
        self.qkv = Dense(3 * inner, use_bias=self.qkv_bias is True, name="qkv", **options)
        self.qkv.build(shape)
        self.out = Dense(width, use_bias=self.out_bias, name="out", **options)
        self.out.build((*shape[:-1], inner))
        self.drop = keras.layers.Dropout(self.dropout, name="drop", **options)
        if self.qkv_bias == "qv":
            self.bias_q = self.add_weight((inner,), "zeros", name="bias_q")
            self.bias_v = self.add_weight((inner,), "zeros", name="bias_v")
        if self.qk_norm:
            heads = (*shape[:-1], self.heads, self.size)
            self.norm_q = LayerNormalization(epsilon=self.epsilon, name="norm_q", **options)
            self.norm_k = LayerNormalization(epsilon=self.epsilon, name="norm_k", **options)
            self.norm_q.build(heads)
            self.norm_k.build(heads)
        if self.talking_heads:
            # one weight each, the last row a bias: alone, that of the logits would move no softmax and get no gradient
            normal, mix = keras.initializers.TruncatedNormal(stddev=0.02), (self.heads + 1, self.heads)
            self.mix_logits = self.add_weight(mix, normal, name="mix_logits")
            self.mix_scores = self.add_weight(mix, normal, name="mix_scores")

    intermediates = ("query", "key", "value", "attention")

    def call(
        self,
        x: Any,
        bias: Any = None,
        rotary: tuple[Any, Any] | None = None,
        training: bool | None = None,
        attention_delta: Any = None,
        intermediates: Sequence[str] | None = None,
    ) -> Any:
        """Attends; `intermediates` as in Tappable.

        `bias` (heads, N, N) or (B, heads, N, N) is added to the logits. `rotary` is a pair (sin, cos) of
        (N, d) or (heads, N, d) by which neighbouring numbers of queries and keys are turned. "query", "key" and
        "value" are (B, heads, N, d), normalised and turned, "attention" is the matrix (B, heads, N, N) before dropout.
        `attention_delta` of its shape is added to it: given zeros, the gradient with respect to it is the matrix's.
        """
        q, k, v = self._project(x, rotary)
        tensors = {"query": q, "key": k, "value": v}
        fused = keras.backend.backend() != "tensorflow" and not (self.talking_heads or (training and self.dropout))
        if "attention" in (intermediates or ()) or attention_delta is not None or not fused:
            attended, tensors["attention"] = self._explicit(q, k, v, bias, training, attention_delta)
        else:  # JAX and PyTorch have fused kernels, TensorFlow has none
            bias = bias[None] if bias is not None and len(bias.shape) == 3 else bias
            attended = ops.dot_product_attention(*(ops.swapaxes(each, 1, 2) for each in (q, k, v)), bias=bias)
        tensors["out"] = self.out(self._together(attended, q))
        return self.select(tensors, intermediates)

    def _together(self, attended, q):
        return ops.reshape(attended, (-1, ops.shape(q)[2], self.heads * self.size))

    def _project(self, x, rotary):
        """Returns q, k and v, each (B, heads, N, d), queries and keys turned by `rotary`."""
        qkv = self.qkv(x)
        if self.qkv_bias == "qv":
            q, v = ops.convert_to_tensor(self.bias_q), ops.convert_to_tensor(self.bias_v)
            qkv = qkv + ops.concatenate([q, ops.zeros_like(q), v])
        qkv = ops.reshape(qkv, (-1, ops.shape(x)[1], 3, self.heads, self.size))
        q, k, v = ops.unstack(ops.transpose(qkv, (2, 0, 3, 1, 4)), 3, axis=0)
        if self.queries is not None:
            q = q[:, :, : self.queries]
        if self.qk_norm:
            q, k = self.norm_q(q), self.norm_k(k)
        return (q, k, v) if rotary is None else (rotate(q, *rotary), rotate(k, *rotary), v)

    def _explicit(self, q, k, v, bias, training, delta):
        """Returns the attended values (B, N, heads, d) and the matrix that weighed them."""
        logits = ops.matmul(q * self.size**-0.5, ops.swapaxes(k, 2, 3))
        if self.talking_heads:
            logits = _mix(logits, self.mix_logits)
        if bias is not None:
            logits = logits + ops.cast(bias, logits.dtype)
        scores = ops.cast(ops.softmax(ops.cast(logits, "float32")), self.compute_dtype)
        if self.talking_heads:
            scores = _mix(scores, self.mix_scores)
        if delta is not None:
            scores = scores + ops.cast(delta, scores.dtype)
        attended = ops.matmul(self.drop(scores, training=training), v)
        return ops.swapaxes(attended, 1, 2), scores


def _mix(x, weights):
    """Mixes the heads of `x` (B, heads, Q, K) by `weights` (heads + 1, heads), whose last row is a bias."""
    weights = ops.convert_to_tensor(weights)
    heads, (queries, keys) = x.shape[1], ops.shape(x)[2:]
    mixed = ops.matmul(ops.transpose(weights[:-1]), ops.reshape(x, (-1, heads, queries * keys)))
    return ops.reshape(mixed + weights[-1][:, None], (-1, heads, queries, keys))


def rotate(x: Any, sin: Any, cos: Any) -> Any:
    """Turns each pair of neighbouring numbers of `x` (B, heads, N, d) by its angle (Su et al. 2021, arXiv 2104.09864).

    `sin` and `cos` are (N, d) or (heads, N, d), each angle standing twice, once for each of its pair.
    """
    pairs = ops.reshape(x, (*ops.shape(x)[:-1], x.shape[-1] // 2, 2))
    turned = ops.reshape(ops.stack([-pairs[..., 1], pairs[..., 0]], axis=-1), ops.shape(x))
    return x * ops.cast(cos, x.dtype) + turned * ops.cast(sin, x.dtype)
