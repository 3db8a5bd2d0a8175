"""Record once, run at native speed: `compile`.

A function is recorded as a graph (`recorder`), which becomes a flat program (`program`); passes shorten it (`passes`),
and a back end writes a plan of it (`numpy_plan`), whose results share memory (`memory`).
"""

from .compile import BACKENDS, Compiled, CompileWarning, compile

__all__ = ["BACKENDS", "CompileWarning", "Compiled", "compile"]
