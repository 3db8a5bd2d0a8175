"""The source of a native function: readable, short where steps are alike, in little memory."""

from __future__ import annotations

import re

import numpy as np
import pytest

from autograd_nn import Value, grad, nn, optim
from autograd_nn.compiler import Compiled
from autograd_nn.compiler.fusion import Loop, Map, Schedule
from autograd_nn.compiler.lowering import lower
from autograd_nn.compiler.native_source import ALIGNMENT, BLOCK, NativeSource, canonical, literal, repetitions
from autograd_nn.compiler.passes import simplify

X = np.random.default_rng(0).normal(size=(4, 3))


@pytest.fixture
def source(record):
    return lambda f, *arguments, **settings: NativeSource(lower(simplify(record(f, *arguments))), **settings)


@pytest.fixture
def source_of():
    """Return the source of a function that assigns."""

    def source_of(f, *arguments):
        compiled = Compiled(f)
        compiled(*arguments)
        return NativeSource(lower(compiled.plan(*arguments).program))

    return source_of


def test_it_is_python_that_can_be_read(source):
    found = source(lambda x: (np.tanh(x * 2.0) + 1.0).sum(), X)
    compile(found.text, "<source>", "exec")
    for op in ("mul(", "tanh(", "add(", "sum("):
        assert re.search(rf"# r\d+ = {re.escape(op)}", found.text)
    assert found.text.count("for i0 in range(12):") == 1 and "tanh_f64(" in found.text
    assert max(map(len, found.text.splitlines())) < 300


def test_names_are_the_same_each_time(source):
    f = lambda x: np.exp(x @ x.T).sum(axis=0) * 2.0  # noqa: E731
    assert source(f, X).text == source(f, X).text  # it is what the machine code on disk is found by


def test_axes_that_lie_together_are_one_loop(source):
    assert source(lambda x: x * 2.0, np.ones((2, 3, 4))).text.count("for i") == 1
    assert source(lambda x: x * 2.0, np.ones((1, 3, 1))).text.count("for i") == 1
    assert source(lambda x, y: x * y.T, np.ones((3, 4)), np.ones((4, 3))).text.count("for i") == 2
    assert source(lambda x: x.sum(axis=0) * 2.0, np.ones((3, 4))).text.count("for i") >= 3


def test_long_sums_are_added_up_in_blocks(source):
    assert f", {BLOCK})" not in source(lambda x: x.sum(), np.ones(BLOCK)).text
    long = source(lambda x: x.sum(), np.ones(BLOCK + 1, np.float32)).text
    assert f"range(0, {BLOCK + 1}, {BLOCK})" in long and "f64(" in long


def steps(n):
    def f(x, w):
        x = x + 1.0
        for _ in range(n):
            x = np.tanh(x @ w) * 0.5
        return x

    return f


def test_equal_steps_are_one_kernel_and_one_loop(source):
    x, w = np.ones((2, 3)), np.eye(3)
    few, many = source(steps(12), x, w), source(steps(60), x, w)
    assert "def kernel_1(" in many.text and "for step in range(" in many.text
    assert len(many.text) < 1.5 * len(few.text)  # six times the steps
    assert many.text.count("tanh_f64(") == 2  # in the kernel, and at the end, where the result is returned
    assert "def kernel" not in source(steps(1), x, w).text


@pytest.mark.parametrize(
    ("texts", "wanted"),
    [
        ("", []),
        ("a", [("a", 1)]),
        ("aab", [("a", 1), ("a", 1), ("b", 1)]),
        ("aaa", [("aaa", 3)]),
        ("xabababy", [("x", 1), ("ababab", 3), ("y", 1)]),
        ("abcabcabcabcd", [("abcabcabcabc", 4), ("d", 1)]),
        ("aaabbb", [("aaa", 3), ("bbb", 3)]),
    ],
)
def test_repetitions(texts, wanted):
    found = repetitions(list(texts))
    assert [("".join(texts[i] for i in part), times) for part, times in found] == wanted
    assert [i for part, _ in found for i in part] == list(range(len(texts)))


def test_memory_is_used_again(source):
    def chain(n):
        def f(x):
            for _ in range(n):
                x = x - x.sum(axis=0)  # a loop each time
            return x.sum()

        return f

    x = np.ones((100, 10))
    few, many = source(chain(3), x), source(chain(30), x)
    assert few.nbytes <= many.nbytes <= few.nbytes + 30 * 200 and many.nbytes < 4 * x.nbytes
    assert many.nbytes % ALIGNMENT == 0


def test_what_is_read_in_one_loop_alone_never_reaches_memory(source):
    found = source(lambda x: (np.exp(x * 2.0) + 1.0).sum(), np.ones(1000))
    assert found.nbytes < 1000


def test_results_are_written_where_they_are_returned(source):
    found = source(lambda x: (x * 2.0, (x @ x.T)), X)
    assert len(found.outputs) == 2 and found.nbytes < 200 and found.targets == {}
    assert "o0" in found.text and "o1" in found.text


def test_outputs_that_are_one_array(source):
    found = source(lambda x: (lambda y: (y, y, y[1:]))(x * 2.0), X)
    assert len(found.outputs) == 1


def training(**options):
    model = nn.MLP([3, 4, 2], rng=0)
    moves = optim.Adam(model.parameters(), 0.1, **options)

    def step(x):
        moves.zero_grad()
        loss = (model(x) ** 2).mean()
        loss.backward()
        moves.step()
        return loss

    return step


def test_states_are_written_by_a_phase_of_their_own(source_of):
    found = source_of(training(), np.ones((5, 3), np.float32))
    assert found.committing is not None and found.committing not in found.steps
    before, after = found.text.split(f"if first <= {found.committing} <= last:")
    assert sorted(found.targets) == sorted(i for i, _ in found.program.writes)
    for i in found.targets:
        assert not re.search(rf"at\(t{i}\b", before) and re.search(rf"\bt{i}\b", after)
        # The old elements are read where the new ones are written: loops with two pointers to one place are slow.
        assert not re.search(rf"\bs{i}\b", re.sub("#.*", "", after))


def test_a_state_whose_old_elements_are_read_in_another_order_is_not_written_in_place(source_of):
    w, v = Value(np.ones((3, 3))), Value(np.ones((3, 3)))

    def turned(x):
        w.data = w.data.T + x
        return x.sum()

    def both(x):
        new = w.data * 2.0 + x
        w.data = new
        v.data = new
        return x.sum()

    def other(x):
        old = w.data
        w.data = v.data + x
        v.data = old * 2.0
        return x.sum()

    assert source_of(turned, np.ones((3, 3))).targets == {}
    assert source_of(both, np.ones((3, 3))).targets == {}
    found = source_of(other, np.ones((3, 3)))
    readers = [item for item in found.items if item.final]
    for i, x in found.targets.items():
        old = next(s for s in found.lowered.slots.values() if s is not None and s.source == ("s", i))
        at = next(k for k, item in enumerate(readers) if x in item.writes())
        assert not any(old in item.reads() for item in readers[at + 1 :])


def test_memory_that_is_written_over_is_read_by_nobody_later(source):
    """Of each loop: the array that it writes in place of another one is read there, element by element, for the last
    time."""

    def loss(x, w):
        for _ in range(4):
            y = np.tanh(x @ w)
            x = y - y.mean(axis=0) + y[::-1] * x
        return (x * x).sum()

    found = source(grad(loss, (0, 1)), np.ones((4, 3)), np.eye(3))
    owner, last = {}, found._last
    again = NativeSource(found.lowered)
    for i, item in enumerate(again.items):
        again._allocate(i)
        for x in {y.root for y in item.writes()}:
            number = again._buffer.get(x)
            if number is None:
                continue
            for y, n in owner.items():
                if n == number and y is not x and last[y] >= i:
                    assert isinstance(item, Loop) and last[y] == i and again._first[x] == i
                    assert y.root is y and y.shape == x.shape and y.dtype == x.dtype
                    assert any(isinstance(s, Map) and s.out is x for s in item.statements)
            owner[x] = number
        again._release(i)


def test_poison(source):
    plain, poisoned = (source(steps(3), np.ones((2, 3)), np.eye(3), poison=p) for p in (False, True))
    assert "= -1" not in plain.text and "p0[i0] = -1" in poisoned.text and plain.nbytes == poisoned.nbytes


@pytest.mark.parametrize(
    ("data", "dtype", "wanted"),
    [
        (1.5, "float32", "f32(1.5)"),
        (2, "float64", "f64(2)"),
        (np.float32(0.1), "float32", "f32(0.10000000149011612)"),
        (float("inf"), "float64", "f64(math.inf)"),
        (-float("inf"), "float32", "f32(-math.inf)"),
        (float("nan"), "float64", "f64(math.nan)"),
        (-0.0, "float64", "f64(-0.0)"),
        (True, "bool", "True"),
        (np.int64(-3), "int64", "i64(-3)"),
    ],
)
def test_constants_as_text(data, dtype, wanted):
    assert literal(data, np.dtype(dtype)) == wanted


def test_text_without_the_numbers_of_names():
    assert canonical(["# note", "x12 = x7 + x12", "r3 = r3 + x7"]) == canonical(["x1 = x2 + x1", "r9 = r9 + x2"])
    assert canonical(["x1 = x2"]) != canonical(["x1 = x1"])


def test_an_empty_schedule(record):
    assert Schedule().items == []
    found = NativeSource(lower(record(lambda x: x, X)))
    assert found.nbytes >= ALIGNMENT and found.steps == [0] and found.outputs == {}
