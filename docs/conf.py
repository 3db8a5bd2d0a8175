"""Sphinx configuration. Builds without a network: no intersphinx, no remote fonts or scripts."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

import reference

import autograd_nn

project = "autograd_nn"
author = "The autograd_nn authors"
copyright = "2026, The autograd_nn authors"
version = release = autograd_nn.__version__

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
exclude_patterns = ["_build"]
default_role = "py:obj"
# `Value` is found as autograd_nn.Value and as autograd_nn.value.Value; either is right.
suppress_warnings = ["ref.python"]

# No dollarmath: formulas would need a script from the network.
myst_enable_extensions = ["colon_fence"]
myst_heading_anchors = 3

autodoc_typehints = "none"  # docstrings say what arguments mean; the signature shows the rest
autodoc_member_order = "bysource"
napoleon_google_docstring = True
napoleon_numpy_docstring = False
napoleon_use_rtype = False
napoleon_use_ivar = True  # fields, not entries of their own: some attributes are properties too

html_theme = "furo"
html_title = f"autograd_nn {release}"
html_copy_source = False
html_show_sphinx = False
pygments_style = "friendly"
pygments_dark_style = "monokai"


def setup(app):
    app.connect("builder-inited", lambda app: reference.write(Path(app.srcdir) / "generated"))
    app.connect("autodoc-skip-member", lambda *event: reference.of_another_library(event[2]) or None)
    # After napoleon, which has priority 500.
    app.connect("autodoc-process-docstring", lambda *event: reference.tidy_docstring(event[-1]), priority=600)
