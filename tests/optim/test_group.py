"""What may be given to an optimizer, and what the errors say."""

from __future__ import annotations

import math

import numpy as np
import pytest

from autograd_nn import Value
from autograd_nn.optim import SGD, Adam, Group
from autograd_nn.optim.group import check_betas, check_number, make_groups


def test_names_come_from_pairs_then_from_values_then_from_positions():
    a, b, c = Value(1.0, name="a"), Value(1.0), Value(1.0, name="c")
    groups, names = make_groups("SGD", [("layer.weight", a), b, c])
    assert names == ["layer.weight", "1", "c"]
    assert groups[0].parameters == (a, b, c)


def test_generators_and_groups():
    a, b = Value(1.0), Value(2.0)
    assert SGD((p for p in (a, b)), 0.1).parameters == (a, b)
    optimizer = SGD([{"parameters": [("w", a)]}, {"parameters": [b], "weight_decay": 0.5, "learning_rate": 0.2}], 0.1)
    assert repr(optimizer.groups) == "[Group(1 parameters), Group(1 parameters, learning_rate=0.2, weight_decay=0.5)]"
    assert isinstance(optimizer.groups[0], Group)


class Model:
    def parameters(self):
        return [Value(1.0)]


@pytest.mark.parametrize(
    ("parameters", "error", "message"),
    [
        ([], ValueError, "SGD wanted at least one parameter, got none"),
        (iter(()), ValueError, "A generator gives its items once only"),
        (Model(), TypeError, r"got a Model: write model.parameters\(\)"),
        (Value(1.0), TypeError, r"got Value: write \[parameter\]"),
        ({"w": Value(1.0)}, TypeError, "got dict"),
        (3, TypeError, "wanted a list of parameters or of groups, got int"),
        ([np.ones(2)], TypeError, "parameter 0 wanted a Value, got ndarray"),
        ([("w", 1.0)], TypeError, "parameter w wanted a Value, got float 1.0"),
        ([Value(1.0) * 2], ValueError, "parameter 0 wanted a leaf, got result of 'mul'"),
        ([Value(1j)], TypeError, "wanted real numbers, got complex128"),
        ([{"parameters": []}], ValueError, "group 0: wanted at least one parameter"),
        ([{"params": [Value(1.0)]}], TypeError, 'group 0: wanted a dict with the key "parameters"'),
        ([{"parameters": [Value(1.0)]}, Value(1.0)], TypeError, "group 1: wanted a dict"),
        ([{"parameters": [Value(1.0)], "lr": 1}], ValueError, r"group 0: wanted the keys .*got \['lr'\]"),
        ([{"parameters": [Value(1.0)], "learning_rate": -1}], ValueError, "learning_rate wanted"),
        ([{"parameters": [Value(1.0)], "weight_decay": math.nan}], ValueError, "weight_decay wanted"),
    ],
)
def test_what_is_refused(parameters, error, message):
    with pytest.raises(error, match=message):
        SGD(parameters, 0.1)


def test_duplicates_are_refused_within_and_across_groups():
    shared = Value(1.0, name="shared")
    for parameters in ([shared, shared], [{"parameters": [shared]}, {"parameters": [Value(1.0), shared]}]):
        with pytest.raises(ValueError, match="Value 'shared' comes twice, as parameter shared and as shared"):
            Adam(parameters)


def test_numbers():
    assert check_number("x", np.float32(0.5), 0, 1) == 0.5
    with pytest.raises(ValueError, match=r"x wanted a number in \[0, 1\), got 'a'"):
        check_number("x", "a", 0, 1)
    assert check_betas([0.5, 0]) == (0.5, 0.0)
