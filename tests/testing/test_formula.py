from __future__ import annotations

import ast

import numpy as np
import pytest

from autograd_nn.testing.formula import evaluate


def test_formulas():
    def value(formula, **names):
        return evaluate(ast.parse(formula, mode="eval").body, names)

    x = np.array([-1.0, 2.0])
    assert np.array_equal(value("x if x > 0 else -x * 2", x=x), [2.0, 2.0])
    assert np.array_equal(value("max(x, 0) + min(x, 0) ** 2", x=x), [1.0, 2.0])
    assert np.array_equal(value("x > 0 and x < 3 or not x > -3", x=x), [False, True])
    assert value("exp(0) + pi - pi") == 1.0
    assert value("7 // 2 + 7 % 2 + 1 / 2") == 4.5
    for bad in ("unknown", "x.T", "f(x)", "[x]", "x[0]", "lambda: 1"):
        with pytest.raises(NameError, match="no part of a formula"):
            value(bad, x=x)
