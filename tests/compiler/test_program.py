"""A recorded computation as a list: in order, nothing that is not needed, nothing twice, and no data but constants."""

from __future__ import annotations

import numpy as np

from autograd_nn import OPS
from autograd_nn.compiler.program import Instruction, Program, Variable, overlap
from autograd_nn.compiler.recorder import RecordedArray

X = np.arange(6.0).reshape(2, 3)


def test_instructions_come_after_what_they_read(record, names):
    program = record(lambda x: np.exp(x * 2.0) + np.exp(x * 2.0).sum(), X)
    done = set()
    for instruction in program.instructions:
        assert all(v.kind != "result" or v in done for v in instruction.args)
        done.add(instruction.out)
    assert program.outputs[0] in done
    assert names(program) == ["mul", "exp", "mul", "exp", "sum", "add"] and len(program) == 6


def test_what_no_result_depends_on_is_left_out(record, names):
    def f(x):
        np.exp(x)
        return np.sin(x)

    assert names(record(f, X)) == ["sin"]


def test_an_argument_that_is_not_used_has_no_variable(record):
    program = record(lambda x, y: y * 2.0, X, X)
    assert program.arguments[0] is None and program.arguments[1].kind == "argument"
    assert program.arguments[1].source == 1


def test_variables_know_shape_dtype_and_where_they_come_from(record):
    program = record(lambda x: (x.astype(np.float32), x.sum()), X)
    (x,) = program.arguments
    assert (x.kind, x.shape, x.dtype, x.python, x.nbytes) == ("argument", (2, 3), np.float64, False, 48)
    cast, total = program.outputs
    assert (cast.dtype, cast.nbytes, cast.kind) == (np.float32, 24, "result")
    assert cast.source.op is OPS["cast"] and total.shape == ()
    assert repr(cast) == f"r{cast.number}" and repr(x) == f"a{x.number}"
    assert "cast" in str(program) and "dtype='float32'" in str(program)


def test_a_python_number_is_told_from_an_array_of_one(record):
    program = record(lambda x: x * 2.0, 3.0)
    assert program.outputs[0].python and program.outputs[0].nbytes == 0 and program.outputs[0].dtype == float
    program = record(lambda x: x * 2.0, np.float64(3.0))  # typed, though a subclass of float
    assert not program.outputs[0].python and program.outputs[0].nbytes == 8


def test_only_constants_hold_data(record):
    program = record(lambda x: np.exp(x) + np.ones(3), X)
    everything = {v for i in program.instructions for v in (i.out, *i.args)}
    assert {v.kind for v in everything if v.data is not None} == {"constant"}


def test_several_results_are_a_tuple_and_items(record, names):
    program = record(lambda x: OPS["qr"](x)[1], X @ X.T + np.eye(2))
    assert names(program) == ["qr", "item"]
    assert program.instructions[0].out.shape is None and program.instructions[0].out.nbytes == 0
    assert program.instructions[1].attrs == {"index": 1}


def test_results_say_in_whose_memory_they_lay(record):
    program = record(lambda x: (x.reshape(3, 2), x * 2.0, OPS["getitem"](x, key=(0,))), X)
    reshaped, doubled, _ = program.outputs
    assert reshaped.shares == 0 and doubled.shares is None
    assert overlap(X, X[1:]) and not overlap(X, X.copy()) and overlap((None, X), (X[0],)) and not overlap(1.0, X)


def test_a_chain_as_long_as_memory_allows():
    node = start = RecordedArray.leaf(1.0)
    for _ in range(20_000):
        node = chained(node)
    assert len(Program([start], [], [], [node], [], [])) == 20_000


def chained(node):
    made = RecordedArray.leaf(1.0)
    made.op, made.parents = OPS["negative"], (node,)
    return made


def test_hosts_that_nothing_reads_any_more(record):
    host, argument = RecordedArray.leaf(1.0), RecordedArray.leaf(2.0)
    program = Program([argument], [], [host], [argument], [], [])
    assert program.hosts == [None] and program.used_hosts() == [None]
    program = Program([argument], [], [host], [host], [], [])
    assert program.used_hosts() == program.hosts != [None]


def test_writes_and_checks_are_wanted_too():
    state, argument = RecordedArray.leaf(1.0), RecordedArray.leaf(2.0)
    program = Program([argument], [state], [], [], [(0, chained(state))], [chained(argument)])
    assert len(program) == 2 and len(list(program.wanted())) == 2
    assert program.states[0].kind == "state" and program.writes[0][0] == 0


def test_replace_reaches_every_reader(record):
    program = record(lambda x, y: (x + y, x), X, X)
    x, y = program.arguments
    program.replace(lambda v: y if v is x else v)
    assert program.instructions[0].args == (y, y) and program.outputs[1] is y


def test_instructions_print_as_code():
    x = Variable(0, "argument", RecordedArray.leaf(X))
    out = Variable(1, "result", RecordedArray.leaf(X))
    assert repr(Instruction(OPS["sum"], (x,), {"axis": 1}, out)) == "r1 = sum(a0, axis=1)"
