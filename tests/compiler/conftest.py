"""Programs of small functions, for tests of what works on them."""

from __future__ import annotations

import pytest

from autograd_nn.compiler.program import Program
from autograd_nn.compiler.recorder import RecordedArray, Recorder
from autograd_nn.graph import mode


@pytest.fixture
def record():
    """Return the program of a function of arrays that returns one result, or a tuple of them."""

    def record(f, *arguments):
        recorder = Recorder()
        given = [RecordedArray.leaf(x) for x in arguments]
        with mode(recorder=recorder):
            results = f(*given)
        results = list(results) if isinstance(results, tuple) else [results]
        return Program(given, [], [], results, [], [])

    return record


@pytest.fixture
def names():
    """Return the names of the ops of a program, in order."""
    return lambda program: [instruction.op.name for instruction in program.instructions]


@pytest.fixture(scope="session", autouse=True)
def cache(tmp_path_factory):
    """Native code is kept in a folder of the tests, not in the user's."""
    folder = tmp_path_factory.mktemp("native")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AUTOGRAD_NN_CACHE", str(folder))
        yield folder
