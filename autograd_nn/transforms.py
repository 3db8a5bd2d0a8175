"""Functions to functions: `grad`, `vjp`, `jvp`, `jacobian`, `hessian` and relatives, each of any order.

Array in, array out; Value in, Value out; and inside another transform the result is a Value, so that transforms nest.
Arguments and results may be nested tuples, lists and dicts of arrays, and derivatives have the same structure.

Every call makes a fresh node for each argument that it differentiates, and ends its walk there. So a derivative is
always with respect to this use of the argument, and nested transforms cannot take each other's perturbations for
their own (Siskind & Pearlmutter, "Perturbation confusion and referential transparency", 2005).
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from . import nested
from .graph import Node, dtype, modes, shape
from .recording import (
    check_argnums,
    check_function,
    differentiable_outputs,
    lifted,
    one_real_number,
    record,
    refuse_complex_from_real,
    seed_like,
    tracing,
)

__all__ = [
    "elementwise_grad",
    "grad",
    "grad_and_aux",
    "hessian",
    "hvp",
    "jacobian",
    "jvp",
    "value_and_grad",
    "vjp",
]

Function = Callable[..., Any]


def grad(f: Function, argnums: int | Sequence[int] = 0) -> Function:
    """Return the function that computes the gradient of a scalar function.

    The gradient has the structure of the argument; with several `argnums` it is a tuple. Integers count as floats.
    With respect to a complex z = x + iy it is dL/dx - i dL/dy (as in JAX; step along its conjugate to descend).

    Args:
        f: returns a real number.
        argnums: position, or positions, of the arguments to differentiate; all arguments by keyword are constants.

    Raises:
        TypeError: if f does not return one real number, or an argument is not numeric.
        ValueError: if f returns an array (use `jacobian` or `elementwise_grad`), or argnums is out of range.

    >>> from autograd_nn import grad
    >>> grad(lambda x: x**3)(2.0), grad(grad(lambda x: x**3))(2.0)
    (12.0, 12.0)
    >>> grad(lambda p: p["w"] * p["x"])({"w": 2.0, "x": 5.0})
    {'w': 5.0, 'x': 2.0}
    """
    return gradient_of("grad", f, argnums)


def value_and_grad(f: Function, argnums: int | Sequence[int] = 0, *, has_aux: bool = False) -> Function:
    """Return the function that computes a scalar function and its gradient. See `grad`.

    With `has_aux`, f returns a pair (number, anything) and the result is ((number, anything), gradient).

    >>> from autograd_nn import value_and_grad
    >>> value_and_grad(lambda x, y: x * y, argnums=(0, 1))(3.0, 4.0)
    (12.0, (4.0, 3.0))
    """
    return value_and_gradient_of("value_and_grad", f, argnums, has_aux)


def grad_and_aux(f: Function, argnums: int | Sequence[int] = 0) -> Function:
    """Return the function that computes the gradient of f's first result, and gives f's second one unchanged.

    >>> from autograd_nn import grad_and_aux
    >>> grad_and_aux(lambda x: (x * x, {"seen": 7}))(3.0)
    (6.0, {'seen': 7})
    """
    both = value_and_gradient_of("grad_and_aux", f, argnums, has_aux=True)

    @wraps(f)
    def gradient_and_aux(*args: Any, **kwargs: Any) -> Any:
        (_, aux), gradient = both(*args, **kwargs)
        return gradient, aux

    return gradient_and_aux


def elementwise_grad(f: Function, argnums: int | Sequence[int] = 0) -> Function:
    """Return the function that computes the gradient of the sum of f's result: f' for each element of an elementwise f.

    For a holomorphic f of complex numbers it is the complex derivative.

    >>> import numpy as np
    >>> from autograd_nn import elementwise_grad
    >>> elementwise_grad(np.square)(np.array([1.0, 2.0, 3.0]))
    array([2., 4., 6.])
    """

    @wraps(f)
    def gradient(*args: Any, **kwargs: Any) -> Any:
        with tracing() as recording:
            run = record("elementwise_grad", f, argnums, args, kwargs, recording)
            outputs = differentiable_outputs(run)
            refuse_complex_from_real(run, outputs)
            return run.pull(outputs, [np.ones(y.shape, y.dtype) for y in outputs])

    return gradient


def vjp(f: Function, *primals: Any, **kwargs: Any) -> tuple[Any, Function]:
    """Return f(*primals), and the function that pulls a cotangent of the result back to the primals.

    The second result takes a cotangent of the structure and shapes of f's result, and returns a tuple with one result
    for each primal. It may be called repeatedly.

    >>> import numpy as np
    >>> from autograd_nn import vjp
    >>> y, pull = vjp(lambda x: 3 * x, np.array([1.0, 2.0]))
    >>> pull(np.array([1.0, 10.0]))
    (array([ 3., 30.]),)
    """
    with tracing() as recording:
        run = record("vjp", f, tuple(range(len(primals))), primals, kwargs, recording)

    def pull(cotangent: Any) -> Any:
        seeds, spec = nested.flatten(cotangent)
        if spec != run.output_spec:
            raise ValueError(f"vjp: the cotangent wanted the structure of the result, {run.output_spec}; got {spec}.")
        with tracing() as recording:
            return run._replace(recording=recording).pull(run.outputs, seeds)

    return run.give_outputs(), pull


def jvp(f: Function, primals: Sequence[Any], tangents: Sequence[Any]) -> tuple[Any, Any]:
    """Return f(*primals), and its derivative along the tangents: the Jacobian times a vector.

    Computed as the vjp of the vjp, which is linear in its cotangent; so every op has it.

    Args:
        f: the function.
        primals: its positional arguments.
        tangents: one for each primal, of its structure and shapes.

    >>> import numpy as np
    >>> from autograd_nn import jvp
    >>> jvp(np.sin, (0.0,), (2.0,))
    (0.0, 2.0)
    """
    if not isinstance(primals, (tuple, list)) or not isinstance(tangents, (tuple, list)):
        raise TypeError("jvp wanted a tuple of primals and a tuple of tangents: jvp(f, (x,), (v,)).")
    directions, spec = nested.flatten(tuple(tangents))
    lift = lifted(directions)
    with tracing() as recording:
        run = record("jvp", f, tuple(range(len(primals))), tuple(primals), {}, recording)
        if spec != run.input_spec:
            raise ValueError(f"jvp: tangents wanted the structure of the primals, {run.input_spec}; got {spec}.")
        run = run._replace(lift=run.lift or lift)
        seeds = [seed_like(x, v) for x, v in zip(run.inputs, directions, strict=True)]
        moved = [run.push(y, seeds) for y in run.outputs]
    return run.give_outputs(), nested.unflatten(run.output_spec, moved)


def jacobian(f: Function, argnums: int | Sequence[int] = 0) -> Function:
    """Return the function that computes the Jacobian, of shape result.shape + argument.shape for each pair.

    For holomorphic functions of complex numbers it is the complex Jacobian.

    >>> import numpy as np
    >>> from autograd_nn import jacobian
    >>> jacobian(lambda x: x * x)(np.array([1.0, 2.0]))
    array([[2., 0.],
           [0., 4.]])
    """
    return jacobian_of("jacobian", f, argnums)


def hessian(f: Function, argnums: int | Sequence[int] = 0) -> Function:
    """Return the function that computes the matrix of second derivatives of a real scalar function.

    For an argument of shape s it has shape s + s; for several arguments it is nested: ``hessian[i][j]``.

    >>> import numpy as np
    >>> from autograd_nn import hessian
    >>> hessian(lambda x: x[0] * x[0] * x[1])(np.array([1.0, 2.0]))
    array([[4., 2.],
           [2., 0.]])
    """
    return jacobian_of("hessian", real_only("hessian", gradient_of("hessian", f, argnums), argnums), argnums)


def hvp(f: Function, argnums: int | Sequence[int] = 0) -> Function:
    """Return the function ``(*args, v)`` that multiplies the Hessian of a real scalar function by a vector.

    It costs a small multiple of f, and the Hessian is never formed. ``scipy.optimize.minimize(f, x0, jac=grad(f),
    hessp=hvp(f))`` takes it as it is.

    >>> import numpy as np
    >>> from autograd_nn import hvp
    >>> hvp(lambda x: x[0] * x[0] * x[1])(np.array([1.0, 2.0]), np.array([1.0, 0.0]))
    array([4., 2.])
    """
    gradient = real_only("hvp", gradient_of("hvp", f, argnums), argnums)

    @wraps(f)
    def product(*args: Any, **kwargs: Any) -> Any:
        if len(args) < 2:
            raise TypeError(
                f"hvp: wanted the arguments of f and then the vector, got {len(args)} positional argument(s)."
            )
        *args_, v = args
        vectors, spec = nested.flatten(v)
        lift = lifted(vectors)
        with tracing() as recording:
            run = record("hvp", gradient, argnums, tuple(args_), kwargs, recording)
            if spec != run.input_spec:
                raise ValueError(f"hvp: the vector wanted the structure of the argument, {run.input_spec}; got {spec}.")
            seeds = [seed_like(x, u) for x, u in zip(run.inputs, vectors, strict=True)]
            return run._replace(lift=run.lift or lift).pull(run.outputs, seeds)

    return product


# --- what they are made of; `what` is the name of the transform, for its errors --------------------------------------


def value_and_gradient_of(what: str, f: Function, argnums: int | Sequence[int], has_aux: bool = False) -> Function:
    """See `value_and_grad`."""

    @wraps(f)
    def value_and_gradient(*args: Any, **kwargs: Any) -> Any:
        with tracing() as recording:
            run = record(what, f, argnums, args, kwargs, recording, has_aux)
            output = one_real_number(run)
            gradient = run.pull([output], [None])
        value = run.give_output(output)
        return ((value, run.give_aux()) if has_aux else value), gradient

    return value_and_gradient


def gradient_of(what: str, f: Function, argnums: int | Sequence[int]) -> Function:
    """See `grad`."""
    both = value_and_gradient_of(what, f, argnums)

    @wraps(f)
    def gradient(*args: Any, **kwargs: Any) -> Any:
        return both(*args, **kwargs)[1]

    return gradient


def jacobian_of(what: str, f: Function, argnums: int | Sequence[int]) -> Function:
    """See `jacobian`."""

    @wraps(f)
    def derivative(*args: Any, **kwargs: Any) -> Any:
        with tracing() as recording:
            run = record(what, f, argnums, args, kwargs, recording)
            outputs = differentiable_outputs(run)
            refuse_complex_from_real(run, outputs)
            rows = iter([run.rows(y) for y in outputs])
        found = [next(rows) if isinstance(y, Node) else run.structure(run.zeros(shape(y))) for y in run.outputs]
        current = modes.current
        if current is not None and current.observer is not None and not current.trace:
            current.observer.returned(nested.leaves(found))
        return nested.unflatten(run.output_spec, found)

    return derivative


def real_only(what: str, gradient: Function, argnums: int | Sequence[int]) -> Function:
    """Refuse complex arguments: second derivatives of a function that is not holomorphic form no such matrix."""

    @wraps(gradient)
    def checked(*args: Any, **kwargs: Any) -> Any:
        for i in check_argnums(what, argnums, len(args)):
            if any(dtype(x).kind == "c" for x in nested.leaves(args[i])):
                raise TypeError(
                    f"{what}: wanted real arguments, got complex ones. Pass real and imaginary part as two arguments."
                )
        return gradient(*args, **kwargs)

    return checked


def wraps(f: Function) -> Function:
    """Give a derivative the name and documentation of its function."""
    return functools.wraps(check_function(f))
