"""Every law on every op: all cases, all dtypes that make sense. `pytest tests/test_laws.py -k "matmul or sum"`."""

from __future__ import annotations

import pytest

from autograd_nn import OPS
from autograd_nn.testing.laws import check_law, laws_of

PAIRS = [(name, law) for name, op in OPS.items() for law in laws_of(op)]


@pytest.mark.parametrize(("name", "law"), PAIRS, ids=[f"{name}-{law}" for name, law in PAIRS])
def test_law(name, law):
    try:
        check_law(OPS[name], law)
    except ImportError as error:
        pytest.skip(f"{name} needs a package that is not installed: {error}")
