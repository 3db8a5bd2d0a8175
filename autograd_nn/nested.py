"""Nested tuples, lists and dicts of arrays, as arguments and results of functions: taken apart and put together.

The work is done by `optree`, which is imported on first use: it is a fifth of the time that importing this package
takes. Named tuples, ordered dicts and deques are structures too, and so are classes that are registered with optree.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

__all__ = ["flatten", "leaves", "map_leaves", "unflatten"]


def flatten(tree: Any, *, none_is_leaf: bool = False) -> tuple[list[Any], Any]:
    """Return the leaves, and the structure for `unflatten`; None is an empty structure unless it is a leaf.

    >>> flatten({"b": (1.0, [2.0]), "a": 3.0})[0]
    [3.0, 1.0, 2.0]
    """
    import optree

    return optree.tree_flatten(tree, none_is_leaf=none_is_leaf)


def unflatten(structure: Any, leaves: Any) -> Any:
    """Put leaves into a structure.

    >>> leaves, structure = flatten({"b": (1.0, [2.0]), "a": 3.0})
    >>> unflatten(structure, "xyz")
    {'b': ('y', ['z']), 'a': 'x'}
    """
    import optree

    return optree.tree_unflatten(structure, leaves)


def leaves(tree: Any, *, none_is_leaf: bool = False) -> list[Any]:
    """Return the leaves."""
    import optree

    return optree.tree_leaves(tree, none_is_leaf=none_is_leaf)


def map_leaves(f: Callable[..., Any], tree: Any, *trees: Any, none_is_leaf: bool = False) -> Any:
    """Apply a function to each leaf, and to what stands at its place in the other trees.

    >>> map_leaves(lambda x, y: (x, y), [1.0, 2.0], ["a", {"b": "c"}])
    [(1.0, 'a'), (2.0, {'b': 'c'})]
    """
    import optree

    return optree.tree_map(f, tree, *trees, none_is_leaf=none_is_leaf)
