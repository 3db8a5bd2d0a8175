"""The pytest plugin: fixtures for gradient checks, and ``--gradcheck-examples``. pytest finds it by its entry point.

It imports Hypothesis only when a strategy is made or the option is given, so that projects that use neither do not pay
for it. ::

    def test_my_layer(check_grads):
        check_grads(my_layer, np.ones((2, 3)))


    @given(st.data())
    def test_my_loss(autograd_strategies, data):
        x = data.draw(autograd_strategies.arrays(domain=POSITIVE))
"""

from __future__ import annotations

from argparse import ArgumentTypeError
from collections.abc import Callable
from types import ModuleType
from typing import Any

import pytest

from . import testing

__all__ = ["autograd_strategies", "check_grads", "check_op", "pytest_addoption", "pytest_configure"]

PROFILE = "gradcheck"


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add ``--gradcheck-examples``."""
    group = parser.getgroup("autograd_nn", "gradient checks")
    group.addoption(
        "--gradcheck-examples",
        type=positive,
        metavar="N",
        help=f"Examples for each Hypothesis test that does not fix their number (loads the profile {PROFILE!r}).",
    )


def positive(text: str) -> int:
    """Read a whole number above 0.

    Raises:
        ArgumentTypeError: if it is none; argparse makes a usage error of it.
    """
    if not text.isdecimal() or int(text) < 1:
        raise ArgumentTypeError(f"wanted a whole number above 0, got {text!r}: write --gradcheck-examples=100")
    return int(text)


def pytest_configure(config: pytest.Config) -> None:
    """Load a Hypothesis profile with the number of examples asked for, otherwise like the one in force."""
    examples = config.getoption("--gradcheck-examples")
    if examples is None:
        return
    try:
        from hypothesis import settings
    except ImportError as error:
        raise pytest.UsageError('--gradcheck-examples needs Hypothesis: pip install "autograd-nn[test]".') from error
    settings.register_profile(PROFILE, settings(), max_examples=examples, deadline=None)
    settings.load_profile(PROFILE)


@pytest.fixture(scope="session")
def check_grads() -> Callable[..., None]:
    """`autograd_nn.testing.check_grads`: compare the derivatives of a function with central differences."""
    return testing.check_grads


@pytest.fixture(scope="session")
def check_op() -> Callable[..., Any]:
    """`autograd_nn.testing.check_op`: hold an op of your own against all laws."""
    return testing.check_op


@pytest.fixture(scope="session")
def autograd_strategies() -> ModuleType:
    """`autograd_nn.testing.strategies`: shapes, arrays by domain, Values, indices, random graphs."""
    return testing.strategies
