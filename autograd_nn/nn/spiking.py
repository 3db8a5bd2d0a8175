"""The neuron that the artificial ones are named after: it leaks, adds up what comes in, and fires, or does not.

L. Lapicque (1907); W. Gerstner, W. Kistler, R. Naud, L. Paninski: Neuronal Dynamics, 2014, section 1.3. A model of a
membrane, not a layer: what it shows is the threshold. A stronger input makes no larger spike; it makes more of them.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

__all__ = ["ANATOMY", "LeakyIntegrateAndFire", "Recording"]

ANATOMY: dict[str, str] = {
    "dendrite": "input",
    "synapse": "weight",
    "soma": "sum",
    "axon": "output",
}
"""The parts of a nerve cell, and what plays their part in an artificial neuron."""


@dataclass(frozen=True, eq=False)
class Recording:
    """What a neuron did.

    Attributes:
        voltage: membrane potential after each step, in mV; the peak of the spike where it fired.
        spikes: steps in which it fired, counted from 0.
    """

    voltage: np.ndarray
    spikes: np.ndarray

    @property
    def count(self) -> int:
        """How often it fired."""
        return len(self.spikes)


@dataclass(frozen=True)
class LeakyIntegrateAndFire:
    """A leaky integrate-and-fire neuron: tau dV/dt = rest - V + drive; at the threshold it fires and starts anew.

    Args:
        rest: potential without input, in mV.
        threshold: potential at which it fires, in mV.
        tau: time in which a disturbance falls to 1/e of its size, in ms.
        peak: potential of a spike, the same for every spike, in mV.
        step: time between two values, in ms.

    >>> neuron = LeakyIntegrateAndFire()
    >>> [neuron.run(drive).count for drive in (14.9, 15.1, 20, 40)]
    [0, 2, 7, 20]
    """

    rest: float = -70.0
    threshold: float = -55.0
    tau: float = 20.0
    peak: float = 30.0
    step: float = 1.0

    def __post_init__(self) -> None:
        if not self.rest < self.threshold < self.peak:
            raise ValueError(
                f"LeakyIntegrateAndFire wanted rest < threshold < peak, got {self.rest}, {self.threshold}, {self.peak}."
            )
        if not 0 < self.step <= self.tau < math.inf:
            raise ValueError(f"LeakyIntegrateAndFire wanted 0 < step <= tau, got {self.step} and {self.tau}.")

    def run(self, drive: float | Sequence[float] | np.ndarray, steps: int = 200) -> Recording:
        """Return what the neuron does from rest, by Euler's method.

        Args:
            drive: by how much the input lifts the potential in the long run, in mV: one number, or one for each step.
            steps: how many, if drive is one number.

        Raises:
            ValueError: if there are no steps.
        """
        drives = np.asarray(drive, dtype=float)
        if not drives.ndim:
            drives = np.full(steps, drives)
        if drives.ndim != 1 or not drives.size:
            raise ValueError(
                f"LeakyIntegrateAndFire.run wanted at least one step in one axis, got a drive of shape {drives.shape}."
            )
        v, voltage, spikes = self.rest, np.empty(drives.size), []
        for i, lift in enumerate(drives.tolist()):
            v += self.step / self.tau * (self.rest - v + lift)
            voltage[i] = v
            if v >= self.threshold:
                spikes.append(i)
                voltage[i], v = self.peak, self.rest
        return Recording(voltage, np.array(spikes, dtype=int))
