"""Settings of the whole suite: one BLAS thread, no screen, Hypothesis profiles.

`HYPOTHESIS_PROFILE=dev|ci|thorough` picks a profile; without it, `ci` where the variable CI is set and `dev` elsewhere.
"""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

# For subprocesses that tests start. In this process NumPy may be loaded already: see `one_blas_thread`.
for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS"):
    os.environ.setdefault(variable, "1")
os.environ.setdefault("MPLBACKEND", "Agg")

from hypothesis import HealthCheck, settings
from threadpoolctl import threadpool_limits

SLOW_MACHINE = (HealthCheck.too_slow,)  # a loaded CI machine is not a fault of the strategy

settings.register_profile("dev", deadline=None, print_blob=True, suppress_health_check=SLOW_MACHINE)
settings.register_profile(
    "ci", derandomize=True, deadline=None, print_blob=True, database=None, suppress_health_check=SLOW_MACHINE
)
settings.register_profile("thorough", parent=settings.get_profile("dev"), max_examples=1000)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE") or ("ci" if os.environ.get("CI") else "dev"))


@pytest.fixture(scope="session", autouse=True)
def one_blas_thread() -> Iterator[None]:
    """Two workers with two BLAS threads each on two cores spend their time waiting for each other."""
    with threadpool_limits(1):
        yield
