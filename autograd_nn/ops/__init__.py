"""Every derivative rule of the library, and nothing else. A file reads as mathematics; see `autograd_nn.op`."""

from . import (
    activation,
    arithmetic,
    comparison,
    convolution,
    elementary,
    fft,
    indexing,
    linalg,
    norm,
    product,
    recurrence,
    reduction,
    shape,
    sorting,
    special,
)

__all__ = [
    "activation",
    "arithmetic",
    "comparison",
    "convolution",
    "elementary",
    "fft",
    "indexing",
    "linalg",
    "norm",
    "product",
    "recurrence",
    "reduction",
    "shape",
    "sorting",
    "special",
]
