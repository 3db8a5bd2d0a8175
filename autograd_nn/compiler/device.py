"""Arrays that stay on the device between the steps of a compiled function, and come to NumPy when somebody looks.

A leaf whose data are on the device has a class of its own, `Away`, until its data are read: so those that are not away
pay nothing. Entries of an optimizer's state lie on the device in its dicts, and the optimizer fetches them when it is
asked for its state.
"""

from __future__ import annotations

import functools
import threading
import weakref
from collections.abc import Callable
from typing import Any

import numpy as np

from ..graph import Node, clock
from .mesh import fetched

__all__ = ["DeviceState", "bring_home", "held", "is_device_array", "put_back", "send_away"]

SLOT: Any = Node.__dict__["_data"]  # past the property of those that are away
moving = threading.RLock()
twins: dict[int, tuple[weakref.ref[np.ndarray], Any]] = {}
"""Arrays that were fetched, by id, and those on the device that they are copies of: looking costs no way back."""


class Away:
    """A leaf whose data are on the device, and are fetched as soon as they are read."""

    __slots__ = ()

    @property
    def _data(self: Any) -> Any:
        with moving:
            data = SLOT.__get__(self)
            if is_device_array(data):
                array, data = data, fetched(data)
                remember(data, array)
                SLOT.__set__(self, data)
            come_home(self)
            return data

    @_data.setter
    def _data(self: Any, new: Any) -> None:
        with moving:
            SLOT.__set__(self, new)
            come_home(self)

    def __dlpack__(self: Any, **kwargs: Any) -> Any:
        with moving:
            data = SLOT.__get__(self)
        if self.requires_grad or not is_device_array(data):
            return super().__dlpack__(**kwargs)  # type: ignore[misc]
        return data.__dlpack__(**kwargs)

    def __dlpack_device__(self: Any) -> tuple[int, int]:
        with moving:
            data = SLOT.__get__(self)
        return data.__dlpack_device__()

    def __reduce__(self: Any) -> Any:
        _ = self._data
        return self.__reduce__()  # of the class that it has now


def remember(data: np.ndarray, array: Any) -> None:
    """Take note that an array of NumPy is a copy of one on the device; from now on nobody can change it in place."""
    data.flags.writeable = False
    key = id(data)
    twins[key] = weakref.ref(data, lambda _: twins.pop(key, None)), array


@functools.cache
def away_class(cls: type) -> type:
    """Return the class that objects of a class have while their data are away."""
    members = {"__slots__": (), "__module__": cls.__module__, "__qualname__": cls.__qualname__, "home": cls}
    return type(cls.__name__, (Away, cls), {**members, "__hash__": cls.__hash__, "__doc__": cls.__doc__})


def come_home(leaf: Any) -> None:
    if isinstance(leaf, Away):
        leaf.__class__ = type(leaf).home  # type: ignore[attr-defined]


def is_device_array(x: Any) -> bool:
    """Is it an array of JAX?"""
    return not isinstance(x, (np.ndarray, np.generic, float, int, complex)) and hasattr(x, "addressable_shards")


def held(leaf: Node) -> Any:
    """Return what holds a leaf's data, wherever they are: nothing is fetched."""
    return SLOT.__get__(leaf)


def put_back(leaf: Node, data: Any) -> None:
    """Give a leaf what `held` returned."""
    if is_device_array(data):
        send_away(leaf, data)
        leaf.serial = next(clock)
    else:
        leaf.assign(data)


def send_away(leaf: Any, data: Any) -> None:
    """Let a leaf's data be an array on the device."""
    with moving:
        if not isinstance(leaf, Away):
            leaf.__class__ = away_class(type(leaf))
        SLOT.__set__(leaf, data)


def bring_home(entries: dict[str, Any]) -> None:
    """Fetch the entries of a dict that are on the device."""
    for name, x in entries.items():
        if is_device_array(x):
            entries[name] = fetched(x)


class DeviceState:
    """A state of a recording, on the device: read from there, and written there.

    Args:
        state: the `State`, of a leaf or of an entry of a dict.
        place: puts an array of NumPy on the device.
        devices: of the plan; what lies on others is placed again. None: any.
    """

    def __init__(self, state: Any, place: Callable[[Any], Any], devices: frozenset[Any] | None = None) -> None:
        self.leaf, self.place, self._state, self._devices = state.leaf, place, state, devices
        self._placed: tuple[Any, int, Any] = (None, 0, None)  # an array, the leaf's serial, and its copy on the device

    def look(self) -> Any:
        """Return the array where it lies: nothing is moved."""
        return self._state.entries()[self._state.name] if self.leaf is None else held(self.leaf)

    def read(self) -> Any:
        """Return the array on the device; it is put there if it is not."""
        x = self.look()
        if self._is_here(x):
            return x
        if self.leaf is None or is_device_array(x):
            return self._moved(x)
        twin = twins.get(id(x))
        if twin is not None and twin[0]() is x and self._is_here(twin[1]):
            return twin[1]
        before, serial, placed = self._placed
        if before is not x or serial != self.leaf.serial:
            placed = self.place(x)
            self._placed = x, self.leaf.serial, placed
        return placed

    def _is_here(self, x: Any) -> bool:
        """Is it an array of JAX, on the devices of the plan?"""
        return is_device_array(x) and (self._devices is None or x.sharding.device_set == self._devices)

    def _moved(self, x: Any) -> Any:
        return self.place(fetched(x) if is_device_array(x) else x)

    def write(self, new: Any) -> tuple[Any, ...]:
        """Return a call, as a tuple, that keeps a new array."""
        self._placed = (None, 0, None)
        if self.leaf is not None:
            return send_away, self.leaf, new
        return dict.__setitem__, self._state.entries(), self._state.name, new
