from __future__ import annotations

from typing import NamedTuple

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from autograd_nn import Value, grad
from autograd_nn.nested import flatten, leaves, map_leaves, unflatten


class Pair(NamedTuple):
    first: object
    second: object


trees = st.recursive(
    st.floats(allow_nan=False),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.tuples(inner, inner),
        st.dictionaries(st.text(max_size=2), inner, max_size=3),
    ),
    max_leaves=8,
)


@given(trees)
def test_taken_apart_and_put_together(tree):
    found, structure = flatten(tree)
    assert found == leaves(tree)
    assert unflatten(structure, found) == tree
    assert map_leaves(lambda x: x, tree) == tree


def test_none():
    assert leaves((1.0, None)) == [1.0]
    assert leaves((1.0, None), none_is_leaf=True) == [1.0, None]


def test_values_and_arrays_are_leaves():
    x, y = Value([1.0, 2.0]), np.ones(2)
    assert [id(leaf) for leaf in leaves({"x": x, "y": [y]})] == [id(x), id(y)]


def test_named_tuples():
    g = grad(lambda p: p.first * p.second)(Pair(2.0, 3.0))
    assert g == Pair(3.0, 2.0)
    assert type(g) is Pair
