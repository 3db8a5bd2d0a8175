"""Which statements share a loop: those over the same elements, in an order that keeps what they read."""

from __future__ import annotations

import numpy as np
import pytest

from autograd_nn.compiler.fusion import MOST_ARRAYS, MOST_STATEMENTS, Call, Loop, Map, Python, Reduce, Schedule, Slot


@pytest.fixture
def schedule():
    return Schedule()


def given(schedule, shape=(4, 3), k=0):
    return schedule.slot(shape, np.float64, source=("a", k))


def add(schedule, *operands, shape=(4, 3), out=None):
    out = schedule.slot(shape, np.float64) if out is None else out
    schedule.join(Map(out, " + ".join(f"{{{k}}}" for k in range(len(operands))), operands, np.float64, "add"))
    return out


def total(schedule, x, axes=(0, 1)):
    shape = [1 if a in axes else n for a, n in enumerate(x.shape)]
    out = schedule.slot(shape, np.float64)
    schedule.join(Reduce(out, "sum", x, axes, "sum"))
    return out


def test_a_chain_and_the_sums_over_it_are_one_loop(schedule):
    x = given(schedule)
    y = add(schedule, x, x)
    z = add(schedule, y, x)
    s, rows = total(schedule, z), total(schedule, y, (1,))
    (loop,) = schedule.items
    assert isinstance(loop, Loop) and len(loop.statements) == 4
    assert loop.reads() == [x] and loop.writes() == [y, z, s, rows] and loop.made == {y, z}


def test_what_reads_a_sum_comes_after_it(schedule):
    x = given(schedule)
    s = total(schedule, x, (1,))
    y = add(schedule, x, s)
    assert len(schedule.items) == 2 and schedule.items[1].writes() == [y] and s in schedule.items[1].reads()
    z = add(schedule, x, x)  # reads neither: it joins the last loop that there is
    assert len(schedule.items) == 2 and z in schedule.items[1].made


def test_what_reads_a_view_of_a_result_comes_after_all_of_it(schedule):
    x = given(schedule, (4, 4))
    y = add(schedule, x, x, shape=(4, 4))
    turned = schedule.slot((4, 4), np.float64, view=y.view.T, root=y)
    add(schedule, turned, x, shape=(4, 4))
    assert len(schedule.items) == 2


def test_other_shapes_have_loops_of_their_own_and_are_found_again(schedule):
    x, v = given(schedule), given(schedule, (5,), 1)
    add(schedule, x, x)
    add(schedule, v, v, shape=(5,))
    add(schedule, x, x)
    add(schedule, v, v, shape=(5,))
    assert [len(loop.statements) for loop in schedule.items] == [2, 2]


def test_calls_divide_what_depends_on_them(schedule):
    x = given(schedule)
    y = add(schedule, x, x)
    product = schedule.slot((4, 3), np.float64)
    schedule.add(Call(["f({0}, {1})"], [y], [product], "matmul"))
    z = add(schedule, product, y)
    w = add(schedule, x, x)
    kinds = [type(item) for item in schedule.items]
    assert kinds == [Loop, Call, Loop] and schedule.items[2].made == {z, w}
    assert schedule.items[1].reads() == [y] and schedule.items[1].writes() == [product]


def test_python_is_an_item_too(schedule):
    x = given(schedule)
    y = schedule.slot((4, 3), np.float64)
    schedule.add(Python("sort", [x], [y]))
    add(schedule, y, x)
    assert [type(i) for i in schedule.items] == [Python, Loop] and schedule.items[0].writes() == [y]


def test_parts_are_written_after_the_zeros_of_the_whole(schedule):
    x = given(schedule, (2, 3))
    out = schedule.slot((4, 3), np.float64)
    schedule.join(Map(out, "0", (), np.float64, "zeros"))
    part = schedule.slot((2, 3), np.float64, view=out.view[:2], root=out)
    add(schedule, x, x, shape=(2, 3))
    schedule.join(Map(part, "{0}", (x,), np.float64, "part"))
    at = [i for i, item in enumerate(schedule.items) if out in [y.root for y in item.writes()]]
    assert at == sorted(set(at)) and len(at) == 2
    assert schedule.items[at[1]].statements[-1].out is part


@pytest.mark.parametrize("what", ["arrays", "statements"])
def test_loops_are_not_too_large(schedule, what):
    one = given(schedule)
    for k in range(40 if what == "arrays" else 2 * MOST_STATEMENTS):
        x = given(schedule, k=k) if what == "arrays" else one
        add(schedule, x, x)
    for loop in schedule.items:
        assert len(loop.reads()) <= MOST_ARRAYS and len(loop.statements) <= MOST_STATEMENTS
    assert sum(len(loop.statements) for loop in schedule.items) == (40 if what == "arrays" else 2 * MOST_STATEMENTS)
    assert len(schedule.items) >= 2


def test_what_is_final_joins_nothing_from_before(schedule):
    x = given(schedule)
    y = add(schedule, x, x)
    schedule.begin_final()
    z = add(schedule, y, x)
    first, last = schedule.items
    assert not first.final and last.final and last.made == {z} and y in last.reads()


def test_slots_know_where_they_lie():
    x = Slot(1, (4, 3), np.float32)
    assert x.offset == 0 and x.nbytes == 48 and x.whole and x.root is x
    row = Slot(2, (3,), np.float32, view=x.view[2], root=x)
    assert row.offset == 24 and row.nbytes == 12 and not row.whole
    flat = Slot(3, (12,), np.float32, view=x.view.reshape(-1), root=x)
    assert flat.whole and not Slot(4, (3, 4), np.float32, view=x.view.T, root=x).whole
    back = Slot(5, (4, 3), np.float32, view=x.view[::-1], root=x)
    assert back.offset == 36 and not back.whole
