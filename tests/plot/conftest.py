"""Axes to draw into."""

from __future__ import annotations

import pytest
from matplotlib.figure import Figure


@pytest.fixture
def ax():
    """Axes of a figure that pyplot does not know."""
    return Figure().subplots()
