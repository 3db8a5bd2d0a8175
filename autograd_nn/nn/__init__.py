"""Networks: modules, layers and models on the engine.

>>> from autograd_nn import nn
>>> model = nn.MLP([64, 32, 10], rng=0)
>>> sum(p.size for p in model.parameters())
2410
"""

from . import scalar
from .activation import (
    ACTIVATIONS,
    ELU,
    GELU,
    SELU,
    ActivationModule,
    Hardtanh,
    Identity,
    LeakyReLU,
    LogSoftmax,
    Mish,
    ReLU,
    Sigmoid,
    SiLU,
    Softmax,
    Softplus,
    Softsign,
    Tanh,
    activation,
    identity,
)
from .architecture import architecture, from_architecture
from .attention import MultiHeadAttention, attention, attention_weights
from .container import Residual, Sequential
from .convolution import Conv1d, Conv2d
from .dropout import Dropout
from .embedding import Embedding
from .flatten import Flatten
from .initializer import (
    INITIALIZERS,
    fans,
    glorot_normal,
    glorot_uniform,
    he_normal,
    he_uniform,
    initializer,
    lecun_normal,
    lecun_uniform,
    ones,
    orthogonal,
    standard_normal,
    truncated_normal,
    zeros,
)
from .linear import Linear
from .model import MLP, LogisticRegression, SoftmaxClassifier
from .module import Module
from .normalization import BatchNorm, GroupNorm, LayerNorm, RMSNorm
from .perceptron import Perceptron
from .pooling import AvgPool1d, AvgPool2d, GlobalAvgPool, GlobalMaxPool, MaxPool1d, MaxPool2d
from .recurrent import GRU, LSTM, RNN, GRUCell, LSTMCell, RNNCell
from .spiking import LeakyIntegrateAndFire
from .transformer import PositionalEncoding, TransformerEncoderBlock, positional_encoding

__all__ = [
    "scalar",
    "LeakyIntegrateAndFire",
    "Perceptron",
    "MultiHeadAttention",
    "attention",
    "attention_weights",
    "GRU",
    "LSTM",
    "RNN",
    "GRUCell",
    "LSTMCell",
    "RNNCell",
    "PositionalEncoding",
    "TransformerEncoderBlock",
    "positional_encoding",
    "ACTIVATIONS",
    "ActivationModule",
    "AvgPool1d",
    "AvgPool2d",
    "BatchNorm",
    "Conv1d",
    "Conv2d",
    "Dropout",
    "ELU",
    "Embedding",
    "Flatten",
    "GELU",
    "GlobalAvgPool",
    "GlobalMaxPool",
    "GroupNorm",
    "Hardtanh",
    "INITIALIZERS",
    "Identity",
    "LayerNorm",
    "LeakyReLU",
    "Linear",
    "LogSoftmax",
    "LogisticRegression",
    "MLP",
    "MaxPool1d",
    "MaxPool2d",
    "Mish",
    "Module",
    "RMSNorm",
    "ReLU",
    "Residual",
    "SELU",
    "Sequential",
    "SiLU",
    "Sigmoid",
    "Softmax",
    "SoftmaxClassifier",
    "Softplus",
    "Softsign",
    "Tanh",
    "activation",
    "architecture",
    "fans",
    "from_architecture",
    "glorot_normal",
    "glorot_uniform",
    "he_normal",
    "he_uniform",
    "identity",
    "initializer",
    "lecun_normal",
    "lecun_uniform",
    "ones",
    "orthogonal",
    "standard_normal",
    "truncated_normal",
    "zeros",
]
