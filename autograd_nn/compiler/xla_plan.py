"""The XLA back end: a program as one function of JAX, compiled for the CPU, GPU or TPU that JAX finds.

Each op is written in `jax.numpy`, see `xla_ops`. JAX (the extra ``xla``) is imported when the first plan is made.
Double precision is switched on for the plan alone. What a function assigns stays on the device, see `device`; with a
`Mesh` it is divided over several, and so are the rows of its arguments.
"""

from __future__ import annotations

import functools
import importlib
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from .device import DeviceState, is_device_array
from .mesh import Mesh, MeshError, fetched, is_lost, jax_package, lost
from .peers import waiting
from .program import Instruction, Program, Variable
from .xla_ops import canonical, demanding, has_mask, lowering, package, refusal

__all__ = ["RefutedError", "XlaPlan", "double_precision", "needed", "traced"]

PYTHON = {"i": int, "f": float, "c": complex}  # numbers of Python, which leave the dtype of arrays as it is


class RefutedError(ValueError):
    """Something that an op demands of its data does not hold: NumPy has an exception for it."""


class XlaPlan:
    """A program, compiled by XLA.

    Attributes:
        program: what is run.
        mesh: the devices on which it runs; None for the one that JAX chooses.
        final: is an exception of XLA the end? On several processes no other step may be taken in its place.

    Raises:
        ImportError: if JAX is not installed.
        NotImplementedError: naming the ops that XLA cannot run, with the reason.
    """

    name = "xla"
    quick = shares = False
    contiguous = False
    direct = ()

    def __init__(self, program: Program) -> None:
        needed()
        refuse_missing(program)
        self.program = program
        self.mesh: Mesh | None = None
        self.final = False
        self._resident: set[int] = set()
        self._used = [
            [i for i, v in enumerate(variables) if v is not None]
            for variables in (program.arguments, program.states, program.hosts)
        ]

    def settle(self, states: Sequence[Any], mesh: Mesh | None = None) -> list[Any]:
        """Return the states of the recording as those that live on the device; those that are no arrays stay."""
        self.mesh, self.final = mesh, mesh is not None and mesh.processes > 1
        if mesh is not None:
            mesh.agree({"programs": described(self.program)})
        written = {i for i, _ in self.program.writes}
        devices = None if mesh is None else frozenset(mesh.devices.flat)
        found = []
        for i, (state, v) in enumerate(zip(states, self.program.states, strict=True)):
            if type(state.read()) is np.ndarray and (state.leaf is not None or (state.entries and i in written)):
                if i in written:
                    self._resident.add(i)
                shape = np.shape(state.read()) if v is None else v.shape
                found.append(DeviceState(state, functools.partial(self._place_state, shape), devices))
            else:
                found.append(state)
        return found

    def _place_state(self, shape: tuple[int, ...], x: Any) -> Any:
        jax = package()
        with double_precision(jax):
            if self.mesh is None:
                return jax.numpy.array(x)  # a copy: the owner may write into his
            return self.mesh.place(x, self.mesh.of_parameter(shape))

    def _trace(self, arguments: list[Any], states: list[Any], hosts: list[Any]) -> Any:
        """Compute the program with `jax.numpy`."""
        with demanding() as demands:
            found = traced(self.program, arguments, states, hosts, self._used)
        return *found, functools.reduce(package().numpy.logical_and, demands) if demands else None

    def _compiled(self) -> Any:
        jax, mesh = package(), self.mesh
        if mesh is None:
            return jax.jit(self._trace)
        whole = mesh.sharding()
        writes = [mesh.of_parameter(v.shape) if i in self._resident else whole for i, v in self.program.writes]
        return jax.jit(self._trace, out_shardings=(whole, writes, whole, whole))

    def fused(self) -> dict[Variable, str]:
        """Return the names of the groups that results are computed in: there are none."""
        return {}

    def instance(self) -> Callable[..., Any]:
        """Return the plan as a function of arguments, states and hosts."""
        jax, mesh, compiled, program = package(), self.mesh, self._compiled(), self.program
        arguments_used, states_used, hosts_used = self._used

        def run(arguments: Any, states: Any, hosts: Any) -> Any:
            with double_precision(jax):
                given = [arguments[i] for i in arguments_used]
                kept = [states[i] for i in states_used]
                drawn = [hosts[i] for i in hosts_used]
                if mesh is not None:
                    given = [mesh.place(x, mesh.of_rows(np.shape(x))) for x in given]
                    kept = [x if is_device_array(x) else mesh.place(x, mesh.sharding()) for x in kept]
                    drawn = [mesh.place(x, mesh.sharding()) for x in drawn]
                try:
                    with waiting():
                        results, assigned, checked, holds = compiled(given, kept, drawn)
                        jax.block_until_ready(results or assigned)  # then nobody reads the arguments any more
                except Exception as error:
                    if not self.final:
                        raise
                    if is_lost(error):
                        raise lost(f"a step on {mesh}", error) from error
                    raise MeshError(f"a step on {mesh} failed: {type(error).__name__}: {error}") from error
            if holds is not None and not fetched(holds):
                raise RefutedError("something that NumPy would refuse: an index out of range, or a singular matrix")
            results = [given_back(x, v) for x, v in zip(results, program.outputs, strict=True)]
            new = [
                (i, None, x if i in self._resident else given_back(x, v))
                for x, (i, v) in zip(assigned, program.writes, strict=True)
            ]
            return results, new, [fetched(x) for x in checked]

        return run

    def profile(self, *given: Any, repeat: int = 20) -> str:
        """Refused: XLA makes one program of all lines.

        Raises:
            NotImplementedError: saying what to use.
        """
        raise NotImplementedError(
            "profile: XLA runs all lines as one program. Write `with jax.profiler.trace(folder):` around calls, or "
            "compile for backend='numpy' to see the time of each line."
        )

    @property
    def source(self) -> str:
        """The program, an instruction a line."""
        return str(self.program)

    def __str__(self) -> str:
        return f"{len(self.program)} instructions compiled by XLA\n{self.program}"


def needed() -> Any:
    """Return JAX.

    Raises:
        ImportError: naming the extra.
    """
    return jax_package("backend='xla'")


def refuse_missing(program: Program) -> None:
    """Refuse a program with ops that have no form in JAX.

    Raises:
        NotImplementedError: naming them, with the reasons.
    """
    missing = {i.op.name: refusal(i) for i in program.instructions if lowering(i.op) is None or has_mask(i)}
    if missing:
        reasons = "; ".join(f"{name!r}: {reason}" for name, reason in missing.items())
        raise NotImplementedError(f"backend='xla' has no form of {reasons}. Write backend='numpy'.")


def traced(program: Program, arguments: list[Any], states: list[Any], hosts: list[Any], used: list[list[int]]) -> Any:
    """Compute a program with `jax.numpy`: outputs, what is assigned, and conditions."""
    jnp = package().numpy
    values: dict[Variable, Any] = {}
    groups = (program.arguments, arguments), (program.states, states), (program.hosts, hosts)
    for (variables, given), numbers in zip(groups, used, strict=True):
        for i, x in zip(numbers, given, strict=True):
            values[variables[i]] = x  # type: ignore[index]

    def value(v: Variable) -> Any:
        return values[v] if v.kind != "constant" else v.data

    for i in program.instructions:
        found: Any = lowering(i.op)
        values[i.out] = fitted(found(jnp, *operands(jnp, i, map(value, i.args)), **i.attrs), i)
    return (
        [value(v) for v in program.outputs],
        [value(v) for _, v in program.writes],
        [value(v) for v in program.checks],
    )


def described(program: Program) -> str:
    """Return all that has to be the same in another process: instructions, shapes, dtypes and constants."""
    variables = dict.fromkeys(v for i in program.instructions for v in i.args)
    kinds = [(v.kind, v.shape, str(v.dtype), v.data is not None and np.asarray(v.data).tobytes()) for v in variables]
    return f"{program}\n{kinds}"


def double_precision(jax: Any) -> Any:
    """Return a context in which JAX has float64, as NumPy does; the user's configuration stays."""
    if hasattr(jax, "enable_x64"):
        return jax.enable_x64(True)
    return importlib.import_module("jax.experimental").enable_x64()  # before JAX 0.8


def operands(jnp: Any, i: Instruction, given: Iterable[Any]) -> list[Any]:
    """Return operands in the dtypes in which NumPy computes; in those that came, JAX would in others."""
    found = []
    for x, v, wanted in zip(given, i.args, computed_in(i), strict=True):
        if wanted is not None and not v.python and wanted != v.dtype:
            # JAX makes a bool of a complex number by its real part
            x = jnp.asarray(x) != 0 if wanted.kind == "b" else jnp.asarray(x, canonical(wanted))
        found.append(x)
    return found


def computed_in(i: Instruction) -> Sequence[np.dtype | None]:
    """Return for each operand the dtype to which NumPy casts it; None for those that stay as they are."""
    stay: list[np.dtype | None] = [None] * len(i.args)
    if all(v.python or v.dtype is None or v.dtype == i.out.dtype for v in i.args):
        return stay
    ufunc = next((f for f in i.op.numpy if isinstance(f, np.ufunc) and f.nin == len(i.args)), None)
    if ufunc is not None and not i.attrs:
        dtypes = [PYTHON.get(v.dtype.kind, v.dtype) if v.python else v.dtype for v in i.args]
        return ufunc.resolve_dtypes((*dtypes, *[None] * ufunc.nout))[: len(i.args)]
    if i.out.dtype is not None:
        whole = i.out.dtype
    elif i.op.module.endswith("linalg"):
        whole = np.dtype(float)
    else:
        return stay
    numbers = len(i.args) if "key" not in i.attrs else 2 if i.op.name.startswith("at_") else 1  # then there are indices
    return [
        real(whole) if k < numbers and i.op.rule(k) is not None and widened(v.dtype, whole) else None
        for k, v in enumerate(i.args)
    ]


def widened(dtype: np.dtype | None, result: np.dtype) -> bool:
    """Does NumPy compute with numbers of a dtype in the wider one of the result?"""
    if dtype is None or dtype.kind not in "biuf" or result.kind not in "iufc":
        return False
    if dtype.kind == "f":
        return result.kind in "fc" and dtype.itemsize < real(result).itemsize
    return dtype != result


def real(dtype: np.dtype) -> np.dtype:
    """Return the dtype of real parts."""
    example: Any = np.empty(0, dtype)
    return example.real.dtype


def fitted(out: Any, i: Instruction) -> Any:
    """Return a result in the dtype that was recorded."""
    if isinstance(out, tuple) or i.out.python or i.out.dtype is None:
        return out
    wanted = canonical(i.out.dtype)
    return out if out.dtype == wanted else out.astype(wanted)


def given_back(x: Any, v: Variable) -> Any:
    """Return a result as NumPy's, or as a Python number."""
    x = x if isinstance(x, (np.ndarray, np.generic, float, int, complex)) else fetched(x)
    if v.python:
        return np.asarray(x).item()
    return np.array(x, dtype=v.dtype)
