"""`Value`: a node with operators, NumPy's methods and a repr. Each method is one line that applies an op."""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator
from typing import Any, ClassVar, Self

import numpy as np

from .backward import Contribution, backward, contributions
from .graph import Node, describe, modes
from .numpy_protocol import array_function, array_ufunc
from .op import UNMASK
from .ops import arithmetic, comparison, elementary, indexing, product, reduction, shape, sorting
from .ops.arithmetic import add, divide, floor_divide, mul, negative, power, power_of, remainder, subtract

__all__ = ["Hook", "Value", "refuse_constant", "zero_grad"]

NUMBER = (int, float)


class Value(Node):
    """A scalar or an array that records what is computed from it, and gets gradients.

    Args:
        x: a number, nested lists of numbers, an array, or a Value (whose data is taken, detached).
        dtype: NumPy dtype; that of x if left out. Integers become float, unless a dtype says otherwise.
        name: shown in pictures and errors.
        requires_grad: is a derivative with respect to it wanted?
        copy: False is the promise that nobody writes into `x` afterwards; `debug()` checks it.

    A Value made from a Python number holds a Python float, as do all results of such Values alone; one made from an
    array, or a NumPy scalar, holds an array of that dtype.

    Raises:
        TypeError: if x does not hold numbers.

    >>> x = Value([1.0, 2.0], name="x")
    >>> loss = (x * x).sum()
    >>> loss.backward()
    >>> x.grad
    array([2., 4.])
    """

    __slots__ = ()
    __hash__ = Node.__hash__

    def __init__(
        self,
        x: Any,
        *,
        dtype: Any = None,
        name: str | None = None,
        requires_grad: bool = True,
        copy: bool = True,
    ) -> None:
        self._start(leaf_data(x, dtype, requires_grad, copy), requires_grad, name)
        if modes.current is not None and modes.current.recorder is not None:
            modes.current.recorder.adopt(self, x)

    # differentiation

    def backward(self, seed: Any = None, *, retain: str = "all") -> None:
        """Add the derivative of this value with respect to everything it depends on to their `.grad`.

        See `autograd_nn.backward.backward`; `seed` is the cotangent of a value that is no scalar.
        """
        backward(self, seed, retain=retain)

    def contributions(self, seed: Any = None) -> tuple[list[Contribution], dict[Node, Any]]:
        """Return every product of the chain rule of a backward pass from here, and the sums; no `.grad` changes.

        See `autograd_nn.backward.contributions`. What pictures and `explain` read.
        """
        return contributions(self, seed)

    def detach(self) -> Self:
        """Return a leaf with the same data that requires no gradient; nothing flows back through it."""
        if modes.current is not None and (found := recorded(self, "detach")) is not None:
            return found
        return type(self).leaf(self._data, name=self.name)

    def zero_grad(self) -> None:
        """Forget the gradient: `.grad` is None again."""
        self.grad = None

    def requires_grad_(self, requires_grad: bool = True) -> Self:
        """Switch whether a derivative with respect to this leaf is wanted, and return it.

        Raises:
            ValueError: if it is not a leaf, or does not hold floating point numbers.
        """
        if self.op is not None:
            raise ValueError(
                f"requires_grad_ wanted a leaf, got {describe(self)}. To stop gradients here use v.detach()."
            )
        if requires_grad and self.dtype.kind not in "fc":
            raise ValueError(
                f"requires_grad_ wanted floating point data, got {self.dtype}: v.astype(float) makes a Value of it."
            )
        self.requires_grad = requires_grad
        return self

    def register_hook(self, hook: Callable[[Any], Any]) -> Hook:
        """Call `hook` with this node's cotangent in each backward pass; what it returns, unless None, replaces it.

        >>> x = Value(3.0)
        >>> handle = x.register_hook(lambda g: 10 * g)
        >>> (x * x).backward()
        >>> x.grad
        60.0
        >>> handle.remove()
        """
        if not callable(hook):
            raise TypeError(f"register_hook wanted a function of the gradient, got {type(hook).__name__}.")
        if not self.requires_grad:
            raise ValueError(f"a hook on {describe(self)} would never be called, since it requires no gradient.")
        self.hooks = (*(self.hooks or ()), hook)
        return Hook(self, hook)

    # leaving the graph

    def item(self) -> Any:
        """Return the one element as a Python number.

        Raises:
            ValueError: if there is not exactly one.
            TypeError: inside `grad` and its relatives, for what is being differentiated; use v.data for a constant.
        """
        refuse_constant(self)
        return self._element()

    def _element(self) -> Any:
        if modes.current is not None:
            recorded(self, "_element")
        if type(self._data) is float:
            return self._data
        if np.size(self._data) != 1:
            raise ValueError(f"item() wanted one element, got {describe(self)}. Index it, or use .tolist().")
        return np.asarray(self._data).item()

    def tolist(self) -> Any:
        """Return nested lists of Python numbers.

        Raises:
            TypeError: inside `grad` and its relatives, for what is being differentiated; use v.data for constants.
        """
        refuse_constant(self)
        if modes.current is not None:
            recorded(self, "tolist")
        return np.asarray(self._data).tolist()

    def numpy(self) -> np.ndarray:
        """Return a copy as a NumPy array."""
        if modes.current is not None:
            recorded(self, "numpy")
        return np.array(self._data)

    def __float__(self) -> float:
        return float(self.item())

    def __int__(self) -> int:  # a step, as a truth value is: its derivative is 0
        return int(self._element())

    def __complex__(self) -> complex:
        return complex(self.item())

    def __index__(self) -> int:
        return operator.index(self._element())

    def __bool__(self) -> bool:
        if modes.current is not None:
            recorded(self, "__bool__")
        if np.size(self._data) != 1:
            raise ValueError(
                f"the truth of {describe(self)} is ambiguous: it has {self.size} elements. Use .any() or .all(), or "
                "where(condition, a, b) to choose elementwise."
            )
        return bool(self._element())

    def __format__(self, spec: str) -> str:
        return format(self._element(), spec) if spec else str(self)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        if self.requires_grad:
            raise TypeError(
                f"np.asarray of {describe(self)} would cut it out of the graph without a word. Write v.data (or "
                "v.detach()) if you want the numbers, stack([...]) to join Values, or a function of autograd_nn.numpy."
            )
        if modes.current is not None:
            recorded(self, "__array__")
        array = np.array(self._data, dtype=dtype, copy=copy is not False)
        if copy is False:  # it shares memory
            array = array.view()
            array.flags.writeable = False
        return array

    def __dlpack__(self, **kwargs: Any) -> Any:
        if self.requires_grad:
            raise BufferError(f"__dlpack__ of {describe(self)} would cut it out of the graph: write v.detach().")
        if modes.current is not None:
            recorded(self, "__dlpack__")
        if kwargs.get("max_version") and isinstance(self._data, np.ndarray) and self._data.dtype.isnative:
            return np.asarray(self.data).__dlpack__(**kwargs)  # shared, and said to be read-only
        return np.array(self._data).__dlpack__(**kwargs)  # the older protocol cannot say that: a copy

    def __dlpack_device__(self) -> tuple[int, int]:
        return np.asarray(self._data).__dlpack_device__()

    # identity, copies

    def __copy__(self) -> Self:
        return self.__deepcopy__({})

    def __deepcopy__(self, memo: Any) -> Self:
        """Return a detached leaf with copies of data and gradient."""
        refuse_constant(self, "a copy")
        if (found := recorded(self, "__deepcopy__", memo)) is not None:
            return found
        made = type(self).leaf(own(self._data), requires_grad=self.requires_grad, name=self.name)
        made._grad = own(self._grad)
        memo[id(self)] = made
        return made

    def __reduce__(self) -> Any:
        return _restore, (type(self), self._data, own(self._grad), self.requires_grad, self.name)

    def __repr__(self) -> str:
        data = self._data
        if type(data) is tuple:
            text = f"({len(data)} results)"
        elif isinstance(data, np.ndarray):
            text = np.array2string(data, precision=4, threshold=12, edgeitems=2, separator=", ", prefix="Value(")
            lines = text.splitlines()
            if len(lines) > 12:  # arrays of many axes: the first and the last rows
                text = "\n".join([*lines[:6], "       ...", *lines[-3:]])
            text += (
                ""
                if data.dtype in (np.dtype(float), np.dtype(bool), np.dtype(int)) and data.size
                else f", dtype={data.dtype}"
            )
            text += f", shape={data.shape}" if data.size > 12 or not data.size else ""
        elif isinstance(data, np.generic):
            text = f"{data.item()!r}, dtype={data.dtype}"
        else:
            text = repr(data)
        grad = ""
        if self._grad is not None and np.size(data) == 1:
            grad = f", grad={np.asarray(getattr(self._grad, '_data', self._grad)).item():.6g}"
        name = f", name={self.name!r}" if self.name else ""
        made = f", op={self.op.name!r}" if self.op is not None else ""
        constant = "" if self.requires_grad or self.op is not None else ", requires_grad=False"
        return f"Value({text}{grad}{name}{made}{constant})"

    def __len__(self) -> int:
        if not self.shape:
            raise TypeError(f"len() of {describe(self)}: a scalar has no length.")
        return self.shape[0]

    def __iter__(self) -> Iterator[Self]:
        if not self.shape:
            raise TypeError(f"iteration over {describe(self)}: a scalar has no elements to go through.")
        return (self[i] for i in range(len(self)))

    def __contains__(self, item: Any) -> bool:
        if modes.current is not None:
            recorded(self, "__contains__", item)
        return bool(np.any(np.asarray(self._data) == getattr(item, "_data", item)))

    # operators

    def __add__(self, other: Any) -> Self:
        return add.pair(self, other)

    def __radd__(self, other: Any) -> Self:
        return add(other, self)

    def __sub__(self, other: Any) -> Self:
        return subtract.pair(self, other)

    def __rsub__(self, other: Any) -> Self:
        return subtract(other, self)

    def __mul__(self, other: Any) -> Self:
        return mul.pair(self, other)

    def __rmul__(self, other: Any) -> Self:
        return mul(other, self)

    def __truediv__(self, other: Any) -> Self:
        return divide.pair(self, other)

    def __rtruediv__(self, other: Any) -> Self:
        return divide(other, self)

    def __floordiv__(self, other: Any) -> Self:
        return floor_divide(self, other)

    def __rfloordiv__(self, other: Any) -> Self:
        return floor_divide(other, self)

    def __mod__(self, other: Any) -> Self:
        return remainder(self, other)

    def __rmod__(self, other: Any) -> Self:
        return remainder(other, self)

    def __divmod__(self, other: Any) -> tuple[Self, Self]:
        return floor_divide(self, other), remainder(self, other)

    def __rdivmod__(self, other: Any) -> tuple[Self, Self]:
        return floor_divide(other, self), remainder(other, self)

    def __pow__(self, other: Any) -> Self:
        return power_of(self, exponent=other) if type(other) in NUMBER else power(self, other)

    def __rpow__(self, other: Any) -> Self:
        return power(other, self)

    def __matmul__(self, other: Any) -> Self:
        return product.matmul(self, other)

    def __rmatmul__(self, other: Any) -> Self:
        return product.matmul(other, self)

    def __neg__(self) -> Self:
        return negative(self)

    def __pos__(self) -> Self:
        return self

    def __abs__(self) -> Self:
        return elementary.absolute(self)

    def __round__(self, ndigits: int = 0) -> Self:
        return elementary.round(self, decimals=ndigits or 0)

    def __lt__(self, other: Any) -> Self:
        return comparison.less(self, other)

    def __le__(self, other: Any) -> Self:
        return comparison.less_equal(self, other)

    def __gt__(self, other: Any) -> Self:
        return comparison.greater(self, other)

    def __ge__(self, other: Any) -> Self:
        return comparison.greater_equal(self, other)

    def __eq__(self, other: Any) -> Any:  # type: ignore[override]  # elementwise, as in NumPy
        return NotImplemented if other is None or isinstance(other, str) else comparison.equal(self, other)

    def __ne__(self, other: Any) -> Any:  # type: ignore[override]  # elementwise, as in NumPy
        return NotImplemented if other is None or isinstance(other, str) else comparison.not_equal(self, other)

    def __invert__(self) -> Self:
        return comparison.bitwise_not(self)

    def __and__(self, other: Any) -> Self:
        return comparison.bitwise_and(self, other)

    def __or__(self, other: Any) -> Self:
        return comparison.bitwise_or(self, other)

    def __xor__(self, other: Any) -> Self:
        return comparison.bitwise_xor(self, other)

    __rand__, __ror__, __rxor__ = __and__, __or__, __xor__

    # indexing

    def __getitem__(self, key: Any) -> Self:
        return indexing.index(self, key)

    def __setitem__(self, key: Any, value: Any) -> None:
        raise TypeError(
            f"{describe(self)} cannot be written in place, or its gradient would be wrong. "
            "Write y = x.at[index].set(value), also .add, .multiply, .min, .max: a new Value, differentiable in both."
        )

    @property
    def at(self) -> indexing.At:
        """Differentiable assignment: ``x.at[index].set(y)`` is a new Value; also add, multiply, min and max."""
        return indexing.At(self)

    # elementary functions

    def exp(self) -> Self:
        """e to the x, elementwise."""
        return elementary.exp(self)

    def log(self) -> Self:
        """Natural logarithm, elementwise."""
        return elementary.log(self)

    def sqrt(self) -> Self:
        """Square root, elementwise."""
        return elementary.sqrt(self)

    def sin(self) -> Self:
        """Sine, elementwise."""
        return elementary.sin(self)

    def cos(self) -> Self:
        """Cosine, elementwise."""
        return elementary.cos(self)

    def tanh(self) -> Self:
        """Hyperbolic tangent, elementwise."""
        return elementary.tanh(self)

    def sigmoid(self) -> Self:
        """1 / (1 + exp(-x)), elementwise."""
        return elementary.sigmoid(self)

    def relu(self) -> Self:
        """max(0, x), elementwise; derivative 0 at 0."""
        return elementary.relu(self)

    def abs(self) -> Self:
        """Absolute value, elementwise."""
        return elementary.absolute(self)

    def clip(self, min: Any = None, max: Any = None) -> Self:
        """Limit to [min, max], elementwise."""
        return arithmetic.clip(self, min, max)

    def round(self, decimals: int = 0) -> Self:
        """Round to decimals; derivative 0."""
        return elementary.round(self, decimals=decimals)

    def conj(self) -> Self:
        """Complex conjugate, elementwise."""
        return elementary.conj(self)

    @property
    def real(self) -> Self:
        """Real part."""
        return elementary.real(self)

    @property
    def imag(self) -> Self:
        """Imaginary part."""
        return elementary.imag(self)

    # reductions

    def sum(self, axis: Any = None, *, keepdims: bool = False) -> Self:
        """Sum over axes; over all if axis is None."""
        return reduction.sum(self, axis=axis, keepdims=keepdims)

    def mean(self, axis: Any = None, *, keepdims: bool = False) -> Self:
        """Mean over axes; over all if axis is None."""
        return reduction.mean(self, axis=axis, keepdims=keepdims)

    def prod(self, axis: Any = None, *, keepdims: bool = False) -> Self:
        """Product over axes; over all if axis is None."""
        return reduction.prod(self, axis=axis, keepdims=keepdims)

    def max(self, axis: Any = None, *, keepdims: bool = False) -> Self:
        """Maximum over axes; a tie shares its gradient equally."""
        return reduction.max(self, axis=axis, keepdims=keepdims)

    def min(self, axis: Any = None, *, keepdims: bool = False) -> Self:
        """Minimum over axes; a tie shares its gradient equally."""
        return reduction.min(self, axis=axis, keepdims=keepdims)

    def var(self, axis: Any = None, *, ddof: int = 0, keepdims: bool = False) -> Self:
        """Variance over axes, divided by n - ddof."""
        return reduction.var(self, axis=axis, ddof=ddof, keepdims=keepdims)

    def std(self, axis: Any = None, *, ddof: int = 0, keepdims: bool = False) -> Self:
        """Standard deviation over axes, divided by n - ddof."""
        return reduction.std(self, axis=axis, ddof=ddof, keepdims=keepdims)

    def any(self, axis: Any = None, *, keepdims: bool = False) -> Self:
        """Is any element true? No derivative."""
        return reduction.any(self, axis=axis, keepdims=keepdims)

    def all(self, axis: Any = None, *, keepdims: bool = False) -> Self:
        """Are all elements true? No derivative."""
        return reduction.all(self, axis=axis, keepdims=keepdims)

    def cumsum(self, axis: int | None = None) -> Self:
        """Cumulative sum along an axis; of the flattened array if axis is None."""
        return reduction.cumsum(self, axis=axis)

    def cumprod(self, axis: int | None = None) -> Self:
        """Cumulative product along an axis; of the flattened array if axis is None."""
        return reduction.cumprod(self, axis=axis)

    def argmax(self, axis: int | None = None, *, keepdims: bool = False) -> Self:
        """Index of the maximum. No derivative."""
        return sorting.argmax(self, axis=axis, keepdims=keepdims)

    def argmin(self, axis: int | None = None, *, keepdims: bool = False) -> Self:
        """Index of the minimum. No derivative."""
        return sorting.argmin(self, axis=axis, keepdims=keepdims)

    def argsort(self, axis: int = -1) -> Self:
        """Indices that sort along an axis. No derivative."""
        return sorting.argsort(self, axis=axis)

    def sort(self, axis: int = -1) -> Self:
        """Sorted along an axis: a new Value (NumPy's method sorts in place)."""
        return sorting.sort(self, axis=axis)

    # shapes

    @property
    def T(self) -> Self:
        """Axes reversed."""
        return shape.transpose(self)

    @property
    def mT(self) -> Self:
        """Last two axes swapped."""
        return shape.swapaxes(self, axis1=-1, axis2=-2)

    def reshape(self, *shape_: Any) -> Self:
        """The same elements in another shape; one length may be -1."""
        return shape.reshape(self, shape=shape_[0] if len(shape_) == 1 else shape_)

    def ravel(self) -> Self:
        """The elements in one axis, row by row."""
        return shape.reshape(self, shape=(-1,))

    flatten = ravel

    def transpose(self, *axes: Any) -> Self:
        """Axes permuted; reversed if none are given."""
        return shape.transpose(self, axes=axes[0] if len(axes) == 1 else axes or None)

    def swapaxes(self, axis1: int, axis2: int) -> Self:
        """Two axes swapped."""
        return shape.swapaxes(self, axis1=axis1, axis2=axis2)

    def squeeze(self, axis: Any = None) -> Self:
        """Axes of length 1 removed."""
        return shape.squeeze(self, axis=axis)

    def repeat(self, repeats: Any, axis: int | None = None) -> Self:
        """Each element repeated."""
        return shape.repeat(self, repeats=repeats, axis=axis)

    def take(self, indices: Any, axis: int | None = None) -> Self:
        """Elements at indices along an axis."""
        return indexing.take(self, indices, axis=axis)

    def diagonal(self, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Self:
        """A diagonal of two axes."""
        return shape.diagonal(self, offset=offset, axis1=axis1, axis2=axis2)

    def trace(self, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Self:
        """Sum along a diagonal of two axes."""
        return shape.diagonal(self, offset=offset, axis1=axis1, axis2=axis2).sum(-1)

    def dot(self, other: Any) -> Self:
        """NumPy's dot product."""
        return product.dot(self, other)

    def astype(self, dtype: Any) -> Self:
        """Converted to a dtype; differentiable between floating point types.

        Raises:
            TypeError: if it is no dtype of numbers or truth values.
        """
        dtype = np.dtype(dtype)
        if dtype.kind not in "biufc":
            raise TypeError(
                f"astype wanted a dtype of numbers, got {dtype}: write v.data.astype(…), outside the graph."
            )
        return shape.cast(self, dtype=dtype.name) if dtype.kind in "fc" else shape.cast_discrete(self, dtype=dtype.name)

    # protocols

    __array_ufunc__ = array_ufunc
    __array_function__ = array_function
    namespace: ClassVar[Any] = None  # set by autograd_nn.numpy

    def __array_namespace__(self, *, api_version: str | None = None) -> Any:
        """Return `autograd_nn.numpy`, the namespace of the Array API standard."""
        return type(self).namespace


class Hook:
    """What `register_hook` returns; `remove()` takes the hook off again."""

    def __init__(self, node: Node, hook: Callable[[Any], Any]) -> None:
        self._node, self._hook = node, hook

    def remove(self) -> None:
        """Take the hook off. Doing so twice does no harm."""
        left = list(self._node.hooks or ())
        if self._hook in left:
            left.remove(self._hook)
        self._node.hooks = tuple(left) or None


def zero_grad(*values: Value) -> None:
    """Forget the gradients of some values.

    >>> x = Value(2.0)
    >>> (x * x).backward()
    >>> zero_grad(x)
    >>> x.grad is None
    True

    Raises:
        TypeError: if one of them is no Value.
    """
    for value in values:
        if not isinstance(value, Node):
            spread = ": write zero_grad(*parameters), with a star" if isinstance(value, (list, tuple)) else ""
            raise TypeError(f"zero_grad wanted Values, got {type(value).__name__}{spread}.")
        value.grad = None


def recorded(v: Value, method: str, *args: Any) -> Any:
    """Return what a method gives for a leaf whose numbers change from call to call: where a function is recorded.

    None for all others, and outside. What asks for numbers is refused.
    """
    recorder = None if modes.current is None else modes.current.recorder
    return None if recorder is None else recorder.of_leaf(v, method, *args)


def refuse_constant(v: Node, what: str = "") -> None:
    """Refuse to make a constant of a node that is being differentiated, inside `grad` and its relatives.

    Raises:
        TypeError: if it was made since the outermost of them began, and requires grad.
    """
    mode = modes.current
    if mode is None or not mode.since or not v.requires_grad or v.serial <= mode.since or not mode.recording:
        return
    if what:
        raise TypeError(
            f"{what} of {describe(v)} would be a constant inside a function that is being differentiated, and the "
            "derivative wrong without a word. Use v itself; or, if a constant is meant, stop_gradient(v)."
        )
    raise TypeError(
        f"a plain number was asked of {describe(v)} inside a function that is being differentiated: by float(v), "
        "v.item(), math.exp(v), array[i] = v or the like. It would be a constant, and the derivative wrong without a "
        "word. Write np.exp(v) for math.exp(v), np.stack([…]) or x.at[i].set(v) for array[i] = v; or, if a constant "
        "is meant, v.data."
    )


def own(x: Any) -> Any:
    """Return a copy of an array; numbers and None as they are."""
    return np.array(x) if isinstance(x, np.ndarray) else x


def leaf_data(x: Any, dtype: Any, requires_grad: bool, copy: bool) -> Any:
    """Return what a new leaf holds. See `Value`."""
    if isinstance(x, Node):
        if requires_grad:
            refuse_constant(x, "Value(v)")
        x = x._data
    if type(x) in (float, int, bool) and dtype is None:
        try:
            return float(x)
        except OverflowError as error:
            raise TypeError(
                f"Value wanted a number that fits a float, got an integer of {len(str(x))} digits."
            ) from error
    if x is None or isinstance(x, (str, bytes, dict, set)):
        raise TypeError(
            f"Value wanted a number, an array or nested lists of numbers, got {type(x).__name__} {x!r:.50}."
        )
    if isinstance(x, (list, tuple)) and any(isinstance(item, Node) for item in x):
        raise TypeError(
            f"Value wanted numbers, got a {type(x).__name__} of Values, which would be cut out of their graph: "
            "np.stack(…) joins them."
        )
    if isinstance(x, np.ndarray) and hasattr(x, "mask"):
        raise TypeError(f"Value wanted an array without a mask, got {type(x).__name__}. {UNMASK}")
    try:
        array = np.array(x, dtype=dtype, copy=True if copy else None, subok=False)
    except (ValueError, TypeError) as error:
        what = "with rows of different lengths" if "inhomogeneous" in str(error) else f"({error})"
        raise TypeError(
            f"Value wanted a number, an array or nested lists of equal length, got {type(x).__name__} {what}."
        ) from error
    if array.dtype.kind not in "biufc":
        raise TypeError(f"Value wanted numbers, got dtype {array.dtype} from {type(x).__name__}: convert them first.")
    if dtype is None and array.dtype.kind in "biu":
        array = array.astype(float)
    elif not array.dtype.isnative:  # every result is native, and so are gradients
        array = array.astype(array.dtype.newbyteorder("="))
    if requires_grad and array.dtype.kind not in "fc":
        raise TypeError(
            f"Value of dtype {array.dtype} cannot require a gradient, as integers do not change a little. "
            "Leave dtype out (integers become float), or pass requires_grad=False."
        )
    return array


def _restore(cls: type[Value], data: Any, grad: Any, requires_grad: bool, name: str | None) -> Value:
    made = cls.leaf(data, requires_grad=requires_grad, name=name)
    made._grad = grad
    return made
