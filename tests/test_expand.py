import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings

from autograd_nn import OPS, Graph, Value, checkpoint, functions, scan
from autograd_nn import numpy as anp
from autograd_nn.expand import EXPANSIONS, can_expand, expand
from autograd_nn.flops import flops
from autograd_nn.testing.strategies import random_graphs

# Ops that are refused by name: decompositions and transforms, of which nobody draws the arithmetic of each number.
REFUSED = set(
    "fft ifft rfft irfft hfft ihfft fftn ifftn rfftn irfftn fft2 ifft2 rfft2 irfft2 fftshift ifftshift crop_or_pad "
    "inv solve cofactor det slogdet matrix_power cholesky eigh eigvalsh eig eigvals svd svdvals qr pinv lstsq expm "
    "vector_norm matrix_norm cond median quantile partition nanmax nanmin at_max at_min".split()
)
# Ops whose results are integers or truth values: numbers of the scalar graph, whatever they were made of.
DISCRETE = set(
    "any all count_nonzero cast_discrete argsort argmax argmin argpartition searchsorted last_of_each groups "
    "matrix_rank".split()
)


def own_ops():
    return {name: op for name, op in OPS.items() if op.module.startswith("autograd_nn.")}


def test_every_op_is_opened_or_refused_by_name():
    left = {name for name, op in own_ops().items() if not can_expand(op)}
    assert left == REFUSED | DISCRETE
    assert not [name for name, op in own_ops().items() if op.elementwise and name in EXPANSIONS]


def close(actual, expected):
    np.testing.assert_allclose(actual, expected, rtol=1e-9, atol=1e-11)


def check(output, leaves):
    """Value and gradients of the scalar graph are those of the tensor graph."""
    scalars = expand(output)
    close(scalars.output.item(), output.item())
    output.backward()
    if scalars.output.requires_grad:
        scalars.output.backward()
    for leaf in leaves:
        if leaf in scalars.leaves:
            close(scalars.grad(leaf), 0.0 if leaf.grad is None else leaf.grad)
    return scalars


CASES = [
    (op, case)
    for op in own_ops().values()
    if op.name in EXPANSIONS and op.name not in ("item", "cast")
    for case in op.cases
]


@pytest.mark.parametrize(("op", "case"), CASES, ids=lambda x: getattr(x, "name", str(x)))
def test_each_op_on_its_cases(op, case):
    rng = np.random.default_rng(0)
    args = [Value(x, requires_grad=np.asarray(x).dtype.kind == "f", dtype=getattr(x, "dtype", None))
            for x in case.make(op.domain, rng)]  # fmt: skip
    try:
        out = op(*args, **case.attrs)
    except TypeError:
        pytest.skip("refuses such operands itself")
    out = out[0] if isinstance(out, tuple) else out
    if op.name == "norm" and case.attrs.get("ord") not in (None, "fro"):
        with pytest.raises(TypeError, match="order"):
            expand(out)
        return
    if not out.size:
        scalars = expand(out)
        assert scalars.output.shape == out.shape
        return
    # Each element with a weight of its own, so that a wrong order shows.
    weighted = (out * np.asarray(rng.normal(size=out.shape))).sum()
    scalars = check(weighted, [a for a in args if a.requires_grad])
    counted = sum(node.op is not None for node in Graph.of(scalars.output).nodes)
    predicted = sum(flops(node) for node in Graph.of(weighted).nodes)
    assert counted <= predicted
    if op.name not in LESS and not degenerate(args):
        assert counted == predicted


# Ops for which `flops` is an upper bound: sums that meet nothing to add, maxima without ties, and the like.
LESS = set(
    "sum_to fold conv_image place place_along_axis repeat_transpose pad_transpose at_add at_multiply sort topk "
    "pool_share multi_dot trace norm std lstm_gates gru_gates".split()
)


def degenerate(args):
    return any(a.size == 0 for a in args)


SUPPORTED = [
    op for op in own_ops().values()
    if can_expand(op) and op.name not in ("pad", "norm", "cast", "item")
]  # fmt: skip


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(random_graphs(SUPPORTED, max_steps=5))
def test_random_graphs(graph):
    leaves = [Value(x) for x in graph.leaves]
    output = graph(*leaves)
    if isinstance(output, Value) and output.requires_grad:
        check(output, leaves)


def test_mlp():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(2, 3))
    w0, b0, w1, b1 = leaves = [Value(rng.normal(size=s), name=n) for s, n in
                               (((3, 4), "w0"), (4, "b0"), ((4, 3), "w1"), (3, "b1"))]  # fmt: skip
    logits = functions.linear(functions.relu(functions.linear(x, w0, b0)), w1, b1)
    scalars = check(functions.cross_entropy(logits, [0, 2]), leaves)
    assert scalars.leaves[w0][2, 3].name == "w0[2,3]"
    names = {node.op.name for node in Graph.of(scalars.output).nodes if node.op}
    assert names == {"mul", "add", "relu", "subtract", "exp", "log", "divide"}


@pytest.mark.parametrize("pool", [functions.max_pool2d, functions.avg_pool2d])
def test_cnn_on_6x6_images(pool):
    rng = np.random.default_rng(1)
    x = rng.normal(size=(2, 1, 6, 6))
    leaves = w, b, d, c = [Value(rng.normal(size=s)) for s in ((2, 1, 3, 3), 2, (8, 2), 2)]
    maps = functions.relu(functions.conv2d(x, w, b))
    logits = functions.linear(functions.flatten(pool(maps)), d, c)
    check(functions.cross_entropy(logits, [0, 1]), leaves)
    w.grad = b.grad = None
    padded = functions.conv2d(x, w, b, stride=2, padding="same")
    check((padded * padded).sum(), [w, b])


def test_rnn():
    rng = np.random.default_rng(2)
    x = rng.normal(size=(5, 2, 3))
    leaves = w, u, b = [Value(rng.normal(size=s)) for s in ((3, 4), (4, 4), 4)]
    h = np.zeros((2, 4))
    for step in x:
        h = functions.tanh(functions.linear(step, w, b) + h @ u)
    check((h * h).mean(), leaves)


def test_lstm_and_gru_gates_closed_forms():
    gates, c = Value(np.zeros((1, 4))), Value(np.ones((1, 1)))
    h, new, _ = OPS["lstm_gates"](gates, c)
    scalars = expand((h + new).sum())
    assert scalars.output.item() == pytest.approx(0.5 + 0.5 * np.tanh(0.5), abs=1e-15)


def test_ties_share_as_in_tensors():
    x = Value([[1.0, 2.0, 2.0], [3.0, 3.0, 3.0]])
    scalars = check((x.max(axis=1) * np.array([1.0, 5.0])).sum(), [x])
    close(scalars.grad(x), [[0, 0.5, 0.5], [5 / 3, 5 / 3, 5 / 3]])


def test_float32_agrees_to_its_rounding():
    w = Value(np.array([[0.1, 0.2]], np.float32))
    out = (w @ np.array([[0.3], [0.7]], np.float32)).sum()
    assert expand(out).output.item() == pytest.approx(float(out), rel=1e-6)


def test_gradient_graphs_open_too():
    from autograd_nn import cotangents

    x = Value(np.arange(1.0, 7.0).reshape(2, 3))
    (g,) = cotangents([(x[0] * x[1] * x[0]).sum()], [x], create_graph=True)
    scalars = expand((g * g).sum())
    (expected,) = cotangents([(g * g).sum()], [x])
    scalars.output.backward()
    close(scalars.grad(x), expected)


def test_an_output_of_several_elements_is_an_array():
    x = Value([1.0, 2.0])
    scalars = expand(x * x)
    assert [v.item() for v in scalars.output] == [1.0, 4.0]
    assert repr(scalars) == "Expansion(4 scalar nodes, 1 leaves)"
    with pytest.raises(KeyError, match="no leaf"):
        scalars.grad(Value(1.0))


def test_repr_of_a_single_output():
    assert repr(expand((Value([1.0, 2.0]) * 3.0).sum())) == "Expansion(6 scalar nodes, 2 leaves)"


def test_scopes_are_kept():
    from autograd_nn import name_scope

    with name_scope("net"):
        x = Value([1.0, 2.0], name="x")
        y = (x * x).sum()
    assert {node.scope for node in Graph.of(expand(y).output).nodes} == {"net"}


def test_a_graph_that_is_too_large_says_how_large():
    x = Value(np.ones((100, 100)))
    with pytest.raises(ValueError, match=r"about 2,000,000 scalar nodes, more than 100,000.*limit=2000000"):
        expand(x @ x)
    assert expand((x[:2, :2] @ x[:2, :2]).sum(), limit=20_000).output.item() == 8.0


def test_refusals_name_the_op():
    x = Value(np.eye(2))
    with pytest.raises(TypeError, match="'inv' is not opened"):
        expand(anp.linalg.inv(x).sum())
    with pytest.raises(TypeError, match="'scan'.*for x in xs"):
        expand(scan(lambda c, v: (c + v.sum(), None), 0.0, x)[0])
    with pytest.raises(TypeError, match="'checkpoint'.*without checkpoint"):
        expand(checkpoint(lambda v: (v * v).sum())(x))
    with pytest.raises(TypeError, match="real numbers"):
        expand(Value([1j]).sum())
    with pytest.raises(TypeError, match="floating point"):
        expand(x > 0)
    with pytest.raises(TypeError, match="Graph.of wanted Values"):
        expand(3.0)
    with pytest.raises(TypeError, match="more than one constant"):
        expand(OPS["pad"](x, pad_width=1, constant_values=((1, 2), (3, 4))))
