"""The encoder block of the Transformer, and how it is told the order of a sequence.

A. Vaswani et al.: Attention is all you need, NeurIPS 2017, sections 3.1, 3.3 and 3.5.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..graph import shape
from .activation import Activation, activation
from .attention import MultiHeadAttention
from .dropout import Dropout
from .initializer import Initializer
from .linear import Linear, float_dtype, positive
from .module import Module
from .normalization import LayerNorm

__all__ = ["PositionalEncoding", "TransformerEncoderBlock", "positional_encoding"]


def positional_encoding(time: int, features: int, *, dtype: Any = np.float32) -> np.ndarray:
    """Return sines and cosines of positions, (time, features), of wavelengths from 2π to 20000π.

    Column 2i holds sin(t / 10000^(2i / features)), column 2i + 1 the cosine of the same (Vaswani et al., 2017,
    section 3.5). The encoding of t + k is a rotation of that of t, the same for every t.

    >>> positional_encoding(3, 2).round(4)
    array([[ 0.    ,  1.    ],
           [ 0.8415,  0.5403],
           [ 0.9093, -0.4161]], dtype=float32)
    """
    positive("positional_encoding", time=time, features=features)
    column = np.arange(features)
    angle = np.arange(time)[:, None] / 10000.0 ** ((column - column % 2) / features)
    return np.where(column % 2, np.cos(angle), np.sin(angle)).astype(float_dtype(dtype))


class PositionalEncoding(Module):
    """Add `positional_encoding` to sequences (batch, time, features) of any length; it has no parameters.

    Attention by itself does not see the order of a sequence: this is how it is told.

    Args:
        features: numbers of each token.
        dropout: probability with which elements of the sum are set to 0 in training.
        dtype: of the encoding.
        rng: seed or generator of dropout.
    """

    def __init__(
        self,
        features: int,
        *,
        dropout: float = 0.0,
        dtype: Any = np.float32,
        rng: int | np.random.Generator | None = None,
    ) -> None:
        positive("PositionalEncoding", features=features)
        self.features, self.dropout, self.dtype = features, dropout, float_dtype(dtype)
        self.drop = Dropout(dropout, rng=rng)

    def forward(self, x: Any) -> Any:
        """Return x with the encoding of each position added.

        Raises:
            ValueError: if x is not (batch, time, features).
        """
        x = self.operand(x)
        check_sequences("PositionalEncoding", self.features, shape(x))
        return self.drop(x + positional_encoding(shape(x)[1], self.features, dtype=self.dtype))


class TransformerEncoderBlock(Module):
    """Self-attention, then a feed-forward network at every step, each with a residual connection and a LayerNorm.

    With ``pre_norm=False``, as first published: x = norm(x + part(x)). With ``pre_norm=True``: x = x + part(norm(x)),
    which trains without a warm-up (R. Xiong et al.: On layer normalization in the Transformer architecture, ICML
    2020); behind the last of such blocks put one more LayerNorm. Equal to PyTorch's `TransformerEncoderLayer` with
    ``batch_first=True``.

    Args:
        features: numbers of each token.
        heads: attentions side by side.
        hidden_features: units of the feed-forward network; 4 · features if None.
        activation: of the feed-forward network, by name or any function of an array.
        dropout: probability, for attention weights, hidden units and the results of both parts.
        pre_norm: normalize what goes into a part, in place of the sum?
        bias: do linear maps have biases?
        init: initializer of the linear maps.
        dtype: of the parameters.
        rng: seed or generator of the weights, and of dropout.

    Attributes:
        attention: `MultiHeadAttention`.
        expand, contract: `Linear`, the feed-forward network.
        attention_norm, feed_forward_norm: `LayerNorm`.

    >>> block = TransformerEncoderBlock(8, 2, rng=0)
    >>> block(np.zeros((5, 7, 8))).shape
    (5, 7, 8)
    """

    def __init__(
        self,
        features: int,
        heads: int,
        hidden_features: int | None = None,
        *,
        activation: str | Activation = "gelu",
        dropout: float = 0.0,
        pre_norm: bool = True,
        bias: bool = True,
        init: str | Initializer = "glorot_uniform",
        dtype: Any = np.float32,
        rng: int | np.random.Generator | None = None,
    ) -> None:
        rng = np.random.default_rng(rng)
        self.features, self.heads, self.hidden_features = features, heads, hidden_features
        self.activation, self.dropout, self.pre_norm, self.bias = activation, dropout, pre_norm, bias
        self.init, self.dtype = init, float_dtype(dtype)
        self.transfer()
        hidden = 4 * features if hidden_features is None else hidden_features
        same = {"bias": bias, "init": init, "dtype": dtype, "rng": rng}
        self.attention = MultiHeadAttention(features, heads, dropout=dropout, **same)
        self.expand, self.contract = Linear(features, hidden, **same), Linear(hidden, features, **same)
        self.attention_norm, self.feed_forward_norm = (LayerNorm(features, dtype=dtype) for _ in range(2))
        self.drop = Dropout(dropout, rng=rng)

    def transfer(self) -> Activation:
        """Return the activation as a function.

        Raises:
            ValueError, TypeError: if it is none.
        """
        return activation(self.activation)

    def forward(self, x: Any, *, mask: Any = None, key_mask: Any = None, causal: bool = False) -> Any:
        """Return (batch, time, features) of x (batch, time, features); masks as for `MultiHeadAttention`.

        Raises:
            TypeError, ValueError: if shapes, dtypes or masks do not fit.
        """
        x = self.operand(x)
        check_sequences("TransformerEncoderBlock", self.features, shape(x))
        masks = {"mask": mask, "key_mask": key_mask, "causal": causal}
        if self.pre_norm:
            x = x + self.drop(self.attention(self.attention_norm(x), **masks))
            return x + self.drop(self.feed_forward(self.feed_forward_norm(x)))
        x = self.attention_norm(x + self.drop(self.attention(x, **masks)))
        return self.feed_forward_norm(x + self.drop(self.feed_forward(x)))

    def feed_forward(self, x: Any) -> Any:
        """Return two linear maps with the activation between them, at every step by itself."""
        return self.contract(self.drop(self.transfer()(self.expand(x))))


def check_sequences(called: str, features: int, came: tuple[int, ...]) -> None:
    """Refuse what is no batch of sequences with so many features.

    Raises:
        ValueError: with both shapes.
    """
    if len(came) != 3 or came[2] != features:
        raise ValueError(f"{called} wanted x of shape (batch, time, {features}), got {came}.")
