"""Record once, run at native speed: `compile`.

A function is recorded as a graph (`recorder`), which becomes a flat program (`program`); passes shorten it (`passes`),
and a back end writes a plan of it, whose results share memory (`memory`): calls of NumPy (`numpy_plan`); machine code
(`native_plan`), for which ops become statements (`lowering`), are fused to loops (`fusion`) and written as source
(`native_source`), compiled once and kept on disk (`native_cache`); a tape of single numbers (`tape`, `interpreter`); or
a function of JAX (`xla_plan`, `xla_ops`), on one device or on many (`device`, `mesh`). The usual call is written out at
the end (`quick`).
"""

from .compile import BACKENDS, Compiled, CompileWarning, compile

__all__ = ["BACKENDS", "CompileWarning", "Compiled", "compile"]
