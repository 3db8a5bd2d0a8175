"""Every op on a batch equals a loop over the samples: value, first derivative inside, derivative outside."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

from autograd_nn import OPS, Value, grad, vmap
from autograd_nn import batching as rules
from autograd_nn.graph import Node

SIZE = 3


CASES = [pytest.param(op, case, id=f"{op.name}-{i}") for op in OPS.values() for i, case in enumerate(op.cases)]
SMOOTH = [param for param in CASES if param.values[0].differentiable and param.values[1].order > 0]


def arrays(op, case, rng):
    """Arguments as arrays of their own: those of the case, with other numbers where the case leaves them open."""
    return [np.asarray(a, float) if type(a) is float else a for a in case.make(op.domain, rng)]


def batches(op, case):
    """SIZE samples of every argument, and which of them differ between samples."""
    samples = [arrays(op, case, np.random.default_rng(seed)) for seed in range(SIZE)]
    return [np.stack(column) for column in zip(*samples, strict=True)]


def parts(result):
    return result if isinstance(result, tuple) else (result,)


def same(ours, theirs, op, tolerance=1e-9):
    assert np.shape(ours) == np.shape(theirs), op
    assert np.asarray(ours).dtype == np.asarray(theirs).dtype, op
    np.testing.assert_allclose(ours, theirs, rtol=tolerance, atol=tolerance)


@pytest.fixture(autouse=True)
def _no_warnings_about_infinities():
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        yield


@pytest.mark.parametrize(("op", "case"), CASES)
def test_values_equal_a_loop(op, case):
    stacked = batches(op, case)
    attrs = case.attrs

    def run(*xs):
        return parts(op(*xs, **attrs))

    masks = [[True] * len(stacked)]
    if len(stacked) > 1:
        masks += [[i == j for j in range(len(stacked))] for i in range(len(stacked))]
    for batched in masks:
        args = [s if b else s[0] for s, b in zip(stacked, batched, strict=True)]
        samples = [run(*[a[i] if b else a for a, b in zip(args, batched, strict=True)]) for i in range(SIZE)]
        if any(np.shape(x) != np.shape(y) for x, y in zip(samples[0], samples[1], strict=True)):
            continue  # a mask that selects another number of elements: refused, see below
        try:
            ours = vmap(run, in_axes=tuple(0 if b else None for b in batched))(*args)
        except ValueError as error:
            assert "different shapes" in str(error)  # noqa: PT017  (samples 0 and 1 may agree by chance)
            continue
        for y, column in zip(ours, zip(*samples, strict=True), strict=True):
            same(y, np.stack([np.asarray(c) for c in column]), op)


@pytest.mark.parametrize(("op", "case"), SMOOTH)
def test_gradients_equal_a_loop(op, case):
    """Of each sample, inside of vmap; and of all of them, outside."""
    stacked = batches(op, case)
    if any(s.size == 0 for s in stacked):
        pytest.skip("nothing to differentiate")
    wanted = [i for i, s in enumerate(stacked) if s.dtype.kind == "f"]

    def loss(*xs):
        outputs = [
            y
            for y in parts(op(*xs, **case.attrs))
            if (y.dtype if hasattr(y, "dtype") else np.dtype(float)).kind in "fc"
        ]
        total = 0.0
        for y in outputs:
            y = y * y
            y = y.real if y.dtype.kind == "c" else y
            total = total + (y.sum() if y.shape else y)
        return total

    if not wanted:
        pytest.skip("nothing to differentiate")
    one = np.array([loss(*[s[0] for s in stacked])])
    if one.dtype.kind != "f":
        pytest.skip("no floating point result")
    inside = vmap(grad(loss, argnums=tuple(wanted)))
    ours = inside(*stacked)
    loop = [grad(loss, argnums=tuple(wanted))(*[s[i] for s in stacked]) for i in range(SIZE)]
    for i, y in enumerate(ours):
        same(y, np.stack([np.asarray(sample[i]) for sample in loop]), op, 1e-8)
    outside = grad(lambda *xs: vmap(loss)(*xs).sum(), argnums=tuple(wanted))(*stacked)
    for y, expected in zip(outside, ours, strict=True):
        same(y, expected, op, 1e-8)


def test_the_common_ops_do_not_loop(monkeypatch):
    def refuse(op, *rest):
        raise AssertionError(f"{op.name} went sample by sample")

    monkeypatch.setattr(rules, "loop", refuse)
    rng = np.random.default_rng(0)

    def loss(p, x, label):
        h = np.tanh(x @ p["w"] + p["b"])
        z = h @ p["v"]
        z = z - z.max()
        return np.log(np.exp(z).sum()) - z[label]

    p = {"w": rng.normal(size=(4, 5)), "b": rng.normal(size=5), "v": rng.normal(size=(5, 3))}
    gradients = vmap(grad(loss), in_axes=(None, 0, 0))(p, rng.normal(size=(6, 4)), rng.integers(0, 3, 6))
    assert {k: g.shape for k, g in gradients.items()} == {"w": (6, 4, 5), "b": (6, 5), "v": (6, 5, 3)}


def test_rules_name_ops_that_exist():
    assert {*rules.ONE, *rules.SEVERAL} <= set(OPS)


def test_a_wrong_batch_rule_is_told():
    from autograd_nn import op

    @op("wrong", name="wrong_batch_rule")
    def wrong(x):
        return np.sum(x)

    try:
        wrong.defvjp(lambda g, ans, x: g)
        wrong.defbatch(lambda args, batched: wrong(args[0]))
        with pytest.raises(ValueError, match="3 samples along axis 0"):
            vmap(wrong)(np.ones((3, 2)))
        wrong.defbatch(lambda args, batched: args[0].sum(1))
        np.testing.assert_array_equal(vmap(wrong)(np.ones((3, 2))), [2.0, 2.0, 2.0])
    finally:
        del OPS["wrong_batch_rule"]


def test_masks_of_different_counts_are_refused():
    x = np.array([[1.0, -1.0], [1.0, 1.0]])
    with pytest.raises(ValueError, match="different shapes"):
        vmap(lambda v: v[v > 0])(x)


def test_an_empty_batch():
    assert vmap(lambda x: np.sort(np.linalg.inv(x)))(np.ones((0, 2, 2))).shape == (0, 2, 2)
    assert vmap(lambda x, y: np.kron(x, y))(np.ones((0, 2)), np.ones((0, 3))).shape == (0, 6)


def test_a_batch_is_a_node():
    def f(x):
        assert isinstance(x, Node)
        assert isinstance(x, Value)
        assert (x.shape, x.ndim, x.size) == ((2,), 1, 2)
        assert "3 samples" in repr(x)
        return x

    vmap(f)(np.ones((3, 2)))
