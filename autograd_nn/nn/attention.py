"""Attention: each query gets a mean of the values, weighted by how well its key fits.

A. Vaswani et al.: Attention is all you need, NeurIPS 2017, section 3.2.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..functions import softmax
from ..graph import Node, dtype, shape
from ..ops.comparison import greater, logical_not, logical_or, where
from ..ops.indexing import index
from ..ops.product import matmul
from ..ops.reduction import any as any_over
from ..ops.shape import matrix_transpose, reshape, swapaxes
from .dropout import Dropout
from .initializer import Initializer
from .linear import Linear, float_dtype, positive
from .module import Module

__all__ = ["MultiHeadAttention", "attention", "attention_weights"]


def attention(query: Any, key: Any, value: Any, *, mask: Any = None, causal: bool = False) -> Any:
    """Return softmax(q kᵀ / sqrt(features)) v: scaled dot-product attention (Vaswani et al., 2017, equation 1).

    Args:
        query: (…, queries, features).
        key: (…, keys, features).
        value: (…, keys, values).
        mask: broadcasts to (…, queries, keys). Booleans: True where a query may look at a key. Floats are added to the
            scores: 0 where it may, -inf where it may not.
        causal: query i may look at keys 0 to i only.

    Returns:
        (…, queries, values). A query that may look at nothing gets 0.

    Raises:
        TypeError, ValueError: if the shapes do not fit, or the mask is neither.

    >>> q = k = np.eye(2)
    >>> v = np.array([[1.0, 2.0], [3.0, 4.0]])
    >>> attention(q, k, v, causal=True)[0]
    array([1., 2.])
    """
    weights = attention_weights(query, key, mask=mask, causal=causal)
    wanted, came = shape(key)[-2], shape(value)
    if len(came) < 2 or came[-2] != wanted:
        raise ValueError(f"attention wanted a value for each of {wanted} keys, (…, {wanted}, values), got {came}.")
    return matmul(weights, value)


def attention_weights(query: Any, key: Any, *, mask: Any = None, causal: bool = False) -> Any:
    """Return softmax(q kᵀ / sqrt(features)): how much each query looks at each key, (…, queries, keys).

    Arguments as for `attention`. The weights of a query sum to 1, or are all 0 if it may look at nothing.
    """
    q, k = shape(query), shape(key)
    if len(q) < 2 or len(k) < 2 or q[-1] != k[-1]:
        raise ValueError(
            "attention wanted query (…, queries, features) and key (…, keys, features) with equally many features, "
            f"got {q} and {k}."
        )
    scores = matmul(query * (1.0 / math.sqrt(q[-1])), matrix_transpose(key))
    allowed, extra = read_mask(mask, shape(scores))
    if causal:
        past = np.tri(q[-2], k[-2], dtype=bool)
        allowed = past if allowed is None else allowed & past
    if extra is not None:
        scores = scores + extra
    if allowed is None:
        return softmax(scores, axis=-1)
    # A query that may look at nothing looks at everything first, since softmax of -inf alone is nan, and gets 0 then.
    some = any_over(allowed, axis=-1, keepdims=True)
    if isinstance(some, Node) or not some.all():
        return where(some, softmax(where(logical_or(allowed, logical_not(some)), scores, -math.inf), axis=-1), 0.0)
    return softmax(where(allowed, scores, -math.inf), axis=-1)


def read_mask(mask: Any, scores: tuple[int, ...]) -> tuple[Any, Any]:
    """Return where queries may look, or None for everywhere; and what is added to the scores, or None.

    Raises:
        TypeError, ValueError: if the mask is neither of booleans nor of floats, or does not broadcast.
    """
    if mask is None:
        return None, None
    mask = mask if isinstance(mask, Node) else np.asarray(mask)
    came = shape(mask)
    if len(came) > len(scores) or any(m not in (1, n) for m, n in zip(came[::-1], scores[::-1], strict=False)):
        raise ValueError(f"attention wanted a mask that broadcasts to (…, queries, keys), {scores}, got {came}.")
    if dtype(mask).kind == "b":
        return mask, None
    if dtype(mask).kind != "f":
        raise TypeError(
            "attention wanted a mask of booleans, True where a query may look, or of floats that are added to the "
            f"scores, got {dtype(mask)}: mask.astype(bool)."
        )
    allowed = greater(mask, -math.inf)
    if not isinstance(allowed, Node) and allowed.all():
        return None, mask
    return allowed, where(allowed, mask, 0.0)


class MultiHeadAttention(Module):
    """Several attentions side by side, each with its own projections of queries, keys and values.

    Vaswani et al. (2017), section 3.2.2; equal to PyTorch's `MultiheadAttention` with ``batch_first=True``, whose masks
    of booleans mean the opposite: True there is False here.

    Args:
        features: numbers of each query and each output; divided among the heads.
        heads: attentions side by side; divides features.
        key_features: numbers of each key; as many as those of a query if None.
        value_features: numbers of each value; as many as those of a key if None.
        dropout: probability with which a weight is set to 0 in training.
        bias: do the projections have biases?
        init: initializer of the projections.
        dtype: of the parameters.
        rng: seed or generator of the weights, and of dropout.

    Attributes:
        query, key, value: `Linear` projections to features.
        output: `Linear`, from the heads side by side to the result.

    >>> layer = MultiHeadAttention(8, 2, rng=0)
    >>> x = np.zeros((5, 7, 8))  # 5 sequences of 7 tokens of 8 numbers
    >>> layer(x, causal=True).shape
    (5, 7, 8)
    """

    def __init__(
        self,
        features: int,
        heads: int,
        *,
        key_features: int | None = None,
        value_features: int | None = None,
        dropout: float = 0.0,
        bias: bool = True,
        init: str | Initializer = "glorot_uniform",
        dtype: Any = np.float32,
        rng: int | np.random.Generator | None = None,
    ) -> None:
        positive("MultiHeadAttention", features=features, heads=heads)
        if features % heads:
            raise ValueError(
                f"MultiHeadAttention wanted features that can be divided among {heads} heads, got {features}: "
                f"{features - features % heads or heads} or {features + heads - features % heads} would do."
            )
        self.features, self.heads, self.dropout, self.bias, self.init = features, heads, dropout, bias, init
        self.key_features, self.value_features, self.dtype = key_features, value_features, float_dtype(dtype)
        rng = np.random.default_rng(rng)
        keys = key_features or features
        self.query, self.key, self.value, self.output = (
            Linear(n, features, bias=bias, init=init, dtype=dtype, rng=rng)
            for n in (features, keys, value_features or keys, features)
        )
        self.drop = Dropout(dropout, rng=rng)

    def forward(
        self,
        query: Any,
        key: Any = None,
        value: Any = None,
        *,
        mask: Any = None,
        key_mask: Any = None,
        causal: bool = False,
        weights: bool = False,
    ) -> Any:
        """Return what each query gets.

        Args:
            query: (batch, queries, features).
            key: (batch, keys, key_features); the queries if None, which is self-attention.
            value: (batch, keys, value_features); the keys if None.
            mask: (queries, keys), (batch, queries, keys) or (batch, heads, queries, keys), as for `attention`.
            key_mask: (batch, keys), True where there is a key, False where there is padding.
            causal: query i may look at keys 0 to i only.
            weights: also return how much each query looked at each key?

        Returns:
            (batch, queries, features); with ``weights=True`` also (batch, heads, queries, keys).

        Raises:
            TypeError, ValueError: if shapes, dtypes or masks do not fit.
        """
        key = query if key is None else key
        value = key if value is None else value
        q, k, v = (self.split(*named) for named in (("query", query), ("key", key), ("value", value)))
        batch, _, queries, _ = shape(q)
        keys = shape(k)[2]
        if shape(k)[0] != batch or shape(v)[::2] != shape(k)[::2]:
            raise ValueError(
                "MultiHeadAttention wanted one batch, and a value for each key, got query, key and value of shapes "
                f"{shape(query)}, {shape(key)} and {shape(value)}."
            )
        mask = self.full_mask(mask, key_mask, (batch, queries, keys))
        p = attention_weights(q, k, mask=mask, causal=causal)
        y = swapaxes(matmul(self.drop(p), v), axis1=1, axis2=2)
        y = self.output(reshape(y, shape=(batch, queries, self.features)))
        return (y, p) if weights else y

    def split(self, name: str, x: Any) -> Any:
        """Project (batch, time, …) and divide the result among the heads: (batch, heads, time, features / heads)."""
        layer = getattr(self, name)
        x = self.operand(x)
        came = shape(x)
        if len(came) != 3 or came[2] != layer.in_features:
            raise ValueError(
                f"MultiHeadAttention wanted its {name} of shape (batch, time, {layer.in_features}), got {came}."
            )
        y = reshape(layer(x), shape=(*came[:2], self.heads, self.features // self.heads))
        return swapaxes(y, axis1=1, axis2=2)

    def full_mask(self, mask: Any, key_mask: Any, sizes: tuple[int, int, int]) -> Any:
        """Return the two masks as one that broadcasts to (batch, heads, queries, keys), or None.

        Raises:
            TypeError, ValueError: if they do not fit.
        """
        batch, queries, keys = sizes
        if mask is not None:
            mask = mask if isinstance(mask, Node) else np.asarray(mask)
            if dtype(mask).kind == "f":
                mask = self.operand(mask)
            fitting = (sizes[1:], sizes, (batch, self.heads, queries, keys))
            if shape(mask) not in fitting:
                raise ValueError(
                    "MultiHeadAttention wanted a mask of shape (queries, keys), (batch, queries, keys) or (batch, "
                    f"heads, queries, keys), {', '.join(map(str, fitting))}, got {shape(mask)}."
                )
            if len(shape(mask)) == 3:
                mask = index(mask, (slice(None), None))
        if key_mask is None:
            return mask
        key_mask = key_mask if isinstance(key_mask, Node) else np.asarray(key_mask)
        if dtype(key_mask).kind != "b" or shape(key_mask) != (batch, keys):
            raise ValueError(
                f"MultiHeadAttention wanted key_mask of booleans of shape {(batch, keys)}, True where there is a key, "
                f"got {dtype(key_mask)} of shape {shape(key_mask)}."
            )
        key_mask = index(key_mask, (slice(None), None, None))
        if mask is None:
            return key_mask
        return mask & key_mask if dtype(mask).kind == "b" else where(key_mask, mask, -math.inf)
