"""`Mesh`: the devices on which a step runs, of this process or of several, and how arrays are divided over them.

Nothing here is home-made: JAX divides the program by the placement of its arrays (GSPMD), and does the collectives;
processes find each other through `jax.distributed`. All of them run the same script on the same data in the same order:
each keeps the rows that belong to its devices, so results are those of one process, to rounding.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib
import os
import socket
import threading
from collections.abc import Iterator
from typing import Any

import numpy as np

from .peers import AGAIN, JOINED, announced, leave_mark, meet, say, waiting
from .xla_ops import package

__all__ = ["Mesh", "MeshError", "fetched", "is_lost", "join", "lost", "mesh_of"]

COORDINATOR, COUNT, RANK = "AUTOGRAD_NN_COORDINATOR", "AUTOGRAD_NN_PROCESSES", "AUTOGRAD_NN_PROCESS"
HEARTBEAT = 10
"""Seconds without a sign of life after which a process counts as dead."""
COME = 60
"""Seconds that processes have to come together."""
LAUNCHERS = {
    "Slurm": ("SLURM_NTASKS", "SLURM_PROCID"),
    "Open MPI": ("OMPI_COMM_WORLD_SIZE", "OMPI_COMM_WORLD_RANK"),
    "Open MPI 5": ("OMPI_COMM_WORLD_SIZE", "OMPI_COMM_WORLD_RANK"),
    "MPICH or Intel MPI": ("PMI_SIZE", "PMI_RANK"),
    "MVAPICH": ("MV2_COMM_WORLD_SIZE", "MV2_COMM_WORLD_RANK"),
}
"""Where launchers write how many processes there are, and which one this is."""
FOUND = ("Slurm", "Open MPI", "Cloud TPU")
"""Launchers under which JAX finds the coordinator."""
LOST = ("ABORTED", "CANCELLED", "DEADLINE_EXCEEDED", "FAILED_PRECONDITION", "INTERNAL", "UNAVAILABLE", "UNKNOWN")
"""With one of these begins what JAX says when processes do not reach each other."""
LARGE = 1 << 24  # elements of a parameter from which it is divided, if the mesh has devices for that
TELL = f"Set {COORDINATOR}=host:port, {COUNT} and {RANK} in every process."
SAME = (
    "Start the same script with the same arguments, data, versions and seed= everywhere (model parts take rng=, and "
    "seed=None is another number in each process)."
)


class MeshError(RuntimeError):
    """Processes or devices do not work together; the message says what to write.

    Attributes:
        follows: has another process ended first, so that this one could not go on?
    """

    follows = False


def is_lost(error: Exception) -> bool:
    """Does an exception of JAX say that processes do not reach each other any more?"""
    text = str(error)
    return text.startswith(tuple(f"{code}:" for code in LOST)) or "Gloo" in text


def lost(what: str, error: Exception) -> MeshError:
    """Return the error for a job that has lost a process; say it at once, since JAX may end this process, too."""
    why = announced() or f"most likely since another process has ended: {str(error).splitlines()[0]:.300}"
    message = f"{what} failed, {why}. {AGAIN}"
    say(message)
    made = MeshError(message)
    made.follows = True
    return made


@contextlib.contextmanager
def together(what: str) -> Iterator[None]:
    """In this ``with`` block processes wait for each other.

    Raises:
        MeshError: if one of them has ended.
    """
    try:
        with waiting():
            yield
    except (RuntimeError, ValueError) as error:
        if isinstance(error, MeshError) or not is_lost(error):
            raise
        raise lost(what, error) from error


def jax_package(what: str = "a mesh of devices") -> Any:
    """Return JAX.

    Raises:
        ImportError: naming what needs it, and the extra.
    """
    try:
        return package()
    except ImportError as error:
        raise ImportError(f'{what} needs JAX: pip install "autograd_nn[xla]"') from error


def join() -> int:
    """Join the processes of this job, and return how many there are; 1 if it is no job of several processes.

    Called by `fit` when it gets a mesh; call it yourself, at the top of the script, where JAX is used before, and where
    a process may fail before `fit`: from here on the others are told when one raises, or when its script is over.
    Under ``python -m autograd_nn.launch``, Slurm and Open MPI all is found in the environment; elsewhere, as under
    Kubernetes, set AUTOGRAD_NN_COORDINATOR=host:port, AUTOGRAD_NN_PROCESSES and AUTOGRAD_NN_PROCESS; the last two are
    not needed under MPICH and Intel MPI.

    Raises:
        ImportError: if JAX is not installed.
        MeshError: if JAX was used before, the environment is not complete, or the others do not come in a minute.
    """
    jax = jax_package()
    if jax.distributed.is_initialized():
        return jax.process_count()
    settings = settings_of_job()
    if settings is None:
        return 1
    leave_mark(JOINED, settings.get("process_id", 0))
    failure: list[Exception] = []

    def initialize() -> None:
        try:
            jax.distributed.initialize(
                **settings,
                initialization_timeout=COME + HEARTBEAT,
                heartbeat_timeout_seconds=HEARTBEAT,
                shutdown_timeout_seconds=HEARTBEAT,
            )
        except Exception as error:  # noqa: BLE001  (raised below)
            failure.append(error)

    # In a thread, since JAX ends this process where not all come.
    thread = threading.Thread(target=initialize, name="autograd_nn join", daemon=True)
    thread.start()
    thread.join(COME)
    if thread.is_alive():
        raise MeshError(f"{missed(settings)} Within {COME} seconds all have to come to fit(…, mesh=…) or join().")
    if failure:
        what = f"the processes of this job did not come together: {str(failure[0]).splitlines()[0]} "
        if isinstance(failure[0], ValueError):  # of what JAX wants to know
            raise MeshError(f"{what}{TELL}") from failure[0]
        raise MeshError(
            f"{what}Write autograd_nn.cluster.join() at the top of the script, before JAX is used; and see that the "
            f"address {settings.get('coordinator_address', 'of the coordinator')} can be reached from every process."
        ) from failure[0]
    meet(jax.process_index(), jax.process_count())
    return jax.process_count()


def missed(settings: dict[str, Any]) -> str:
    """Say who has not come, as far as it can be known."""
    address, process, count = map(settings.get, ("coordinator_address", "process_id", "num_processes"))
    if process and address:
        host, _, port = address.rpartition(":")
        try:
            socket.create_connection((host.strip("[]"), int(port)), 2).close()
        except OSError as error:
            return f"process 0 cannot be reached at {address} ({error}): it has ended, or has another address."
    if count == 2 and process is not None:
        return f"process {1 - process} has not come: it has ended, or is late; see what it has printed."
    which = f"the {count} processes" if count else "the processes"
    return f"not all of {which} have come: one has ended, or is late; see what they have printed."


def settings_of_job() -> dict[str, Any] | None:
    """Return what the environment tells JAX of a job of several processes; None if this process is alone.

    Raises:
        MeshError: naming variables that are missing or malformed.
    """
    address, launcher = os.environ.get(COORDINATOR), launcher_here()
    if not address:
        if alone := [name for name in (COUNT, RANK) if name in os.environ]:
            raise MeshError(
                f"{alone[0]} is set and {COORDINATOR} is not: set it to host:port, the machine of process 0 and a free "
                "port there, the same in every process; or set none of them."
            )
        if "JAX_COORDINATOR_ADDRESS" in os.environ:
            return {}
        if launcher is None:
            return None
        if launcher not in FOUND:
            raise MeshError(
                f"this is one of several processes under {launcher}, which does not tell where process 0 is: set "
                f"{COORDINATOR}=host:port in all of them, the machine of process 0 and a free port there, as in "
                f"mpiexec -genv {COORDINATOR} node1:9911 …"
            )
        return {}
    host, _, port = address.rpartition(":")
    if not host or not port.isdecimal() or not 0 < int(port) < 1 << 16:
        raise MeshError(
            f"{COORDINATOR} wanted host:port, the machine of process 0 and a free port there, as in node1:9911; got "
            f"{address!r}."
        )
    names = LAUNCHERS[launcher] if launcher in LAUNCHERS and not {COUNT, RANK} & set(os.environ) else (COUNT, RANK)
    count, process = (os.environ.get(name, "") for name in names)
    if not (count.isdecimal() and process.isdecimal() and int(process) < int(count)):
        raise MeshError(
            f"{COORDINATOR} is set, so {COUNT} and {RANK} wanted to be whole numbers, the number of processes and "
            f"that of this one, from 0 and below it; got {os.environ.get(COUNT)!r} and {os.environ.get(RANK)!r}."
        )
    if int(count) == 1:
        return None
    return {
        "coordinator_address": address,
        "num_processes": int(count),
        "process_id": int(process),
        "cluster_detection_method": "deactivate",
    }


def launcher_here() -> str | None:
    """Return by which launcher this process was started as one of several; None if it was by none.

    Raises:
        MeshError: if what a launcher sets is no number.
    """
    for launcher, (count, process) in LAUNCHERS.items():
        given = os.environ.get(count)
        if given is None or process not in os.environ:
            continue
        if not given.isdecimal() or not os.environ[process].isdecimal():
            raise MeshError(f"{count} and {process} wanted numbers, got {given!r} and {os.environ[process]!r}.")
        if int(given) > 1:
            has_all = launcher != "Open MPI" or "OMPI_MCA_orte_hnp_uri" in os.environ  # version 5 does not set it
            return launcher if has_all else "Open MPI 5"
    several = "," in os.environ.get("TPU_WORKER_HOSTNAMES", "") or "MEGASCALE_COORDINATOR_ADDRESS" in os.environ
    return "Cloud TPU" if several else None


class Mesh:
    """The devices of a job, and how arrays are divided over them.

    Args:
        devices: how many, of all processes together; all if left out.
        model: over so many of them a parameter that is large is divided, along its longest axis that divides; the batch
            is divided over the others. 1: every device has all parameters.
        large: the number of elements from which a parameter is large; here 16 million.

    Attributes:
        batch: into how many parts a batch is divided.
        processes: how many there are.

    Raises:
        ImportError: if JAX is not installed.
        MeshError: if there are not so many devices, or they do not divide.
    """

    def __init__(self, devices: int | None = None, *, model: int = 1, large: int = LARGE) -> None:
        for name, n in (("devices", devices), ("model", model), ("large", large)):
            if n is not None and (isinstance(n, bool) or not isinstance(n, (int, np.integer)) or n < 1):
                raise ValueError(f"Mesh wanted {name} as a whole number, at least 1, got {n!r}.")
        jax = jax_package()
        join()
        found = jax.devices()
        self.processes = jax.process_count()
        count = len(found) if devices is None else int(devices)
        if count > len(found):
            raise MeshError(
                f"Mesh wanted {count} devices, and there are {len(found)} ({found[0].platform}, in {self.processes} "
                f"process{'es' if self.processes > 1 else ''}). Write Mesh() for all there are; start more processes, "
                f"python -m autograd_nn.launch -n {count} script.py; or, to try it out on one CPU, set "
                f"XLA_FLAGS=--xla_force_host_platform_device_count={count} before Python starts."
            )
        if count % model:
            raise MeshError(f"Mesh wanted devices that divide into model={model}, got {count}: write model={count}.")
        if count < len(found) and self.processes > 1:
            raise MeshError(
                f"Mesh wanted all {len(found)} devices of {self.processes} processes, got devices={count}: write "
                "Mesh(), and start fewer processes."
            )
        self.large, self.model, self.batch = int(large), int(model), count // int(model)
        self.devices = np.array(found[:count]).reshape(self.batch, self.model)
        self.jax = jax.sharding.Mesh(self.devices, ("batch", "model"))

    @property
    def process(self) -> int:
        """The number of this process, from 0."""
        return jax_package().process_index()

    def sharding(self, *axes: str | None) -> Any:
        """Return how an array is divided: for each of its axes the one of the mesh, or None."""
        jax = jax_package()
        return jax.sharding.NamedSharding(self.jax, jax.sharding.PartitionSpec(*axes))

    def of_parameter(self, shape: tuple[int, ...]) -> Any:
        """Return how a parameter, or something of its shape, is divided."""
        if self.model > 1 and np.prod(shape) >= self.large:
            fitting = [i for i, n in enumerate(shape) if n % self.model == 0]
            if fitting:
                longest = max(fitting, key=lambda i: shape[i])
                return self.sharding(*("model" if i == longest else None for i in range(len(shape))))
        return self.sharding()

    def of_rows(self, shape: tuple[int, ...]) -> Any:
        """Return how an argument is divided: by its rows; one with a number of rows that does not divide is not."""
        return self.sharding("batch") if shape and shape[0] and shape[0] % self.batch == 0 else self.sharding()

    def place(self, x: Any, sharding: Any) -> Any:
        """Put an array, which every process has, on the devices."""
        jax = jax_package()
        if self.processes == 1:
            return jax.device_put(x, sharding)
        x = np.asarray(x)
        return jax.make_array_from_callback(x.shape, sharding, lambda where: x[where])

    def check_batch(self, rows: int | None, there: int | None = None) -> None:
        """Refuse a size of batches that does not divide; `there`: how many rows there are, if that is known.

        Raises:
            MeshError: saying which would.
        """
        if rows is not None and rows % self.batch:
            below = (rows if there is None else min(rows, there)) // self.batch * self.batch
            sizes = [str(n) for n in (below + self.batch, below) if n and (there is None or n <= there)]
            write = f"write batch_size={' or '.join(sizes)}" if sizes else f"use fewer devices for {there} rows"
            raise MeshError(f"a batch of {rows} rows does not divide over {self.batch} devices: {write}.")

    def wait(self, what: str) -> None:
        """Wait until all processes have come here."""
        if self.processes > 1:
            with together(f"waiting for the others ({what})"):
                importlib.import_module("jax.experimental.multihost_utils").sync_global_devices(what)

    def agree(self, parts: dict[str, str], advice: str = SAME) -> None:
        """Compare texts with those of the other processes, which wait for each other here.

        Args:
            parts: what is compared, by name.
            advice: what to do where they differ.

        Raises:
            MeshError: naming the parts that differ.
        """
        if self.processes == 1:
            return
        mine = np.stack([np.frombuffer(hashlib.sha256(text.encode()).digest(), np.uint8) for text in parts.values()])
        helpers = importlib.import_module("jax.experimental.multihost_utils")
        with together("comparing with the other processes"):
            everyone = np.asarray(helpers.process_allgather(mine))
        different = [name for i, name in enumerate(parts) if len({row.tobytes() for row in everyone[:, i]}) > 1]
        if different:
            raise MeshError(
                f"the {self.processes} processes do not run the same: {' and '.join(different)} differ. {advice}"
            )

    def __repr__(self) -> str:
        kind = self.devices.flat[0].platform
        processes = f"{self.processes} process{'es' if self.processes > 1 else ''}"
        return f"Mesh({self.devices.size} × {kind}, batch {self.batch}, model {self.model}, {processes})"


def mesh_of(mesh: Any) -> Mesh | None:
    """Return a mesh from what `fit` takes: a `Mesh`, a number of devices, True for all, None or False for none.

    Raises:
        TypeError: for anything else.
    """
    if mesh is None or mesh is False:
        return None
    if isinstance(mesh, Mesh):
        return mesh
    if mesh is True:
        return Mesh()
    if isinstance(mesh, (int, np.integer)):
        return Mesh(int(mesh))
    raise TypeError(f"mesh wanted True for all devices, a number of them, or a cluster.Mesh, got {mesh!r:.60}.")


def fetched(x: Any) -> np.ndarray:
    """Return an array of JAX as one of NumPy; one that is divided over processes is gathered, by all of them."""
    if x.is_fully_addressable:
        return np.array(x)
    if x.is_fully_replicated:
        return np.array(x.addressable_data(0))
    helpers = importlib.import_module("jax.experimental.multihost_utils")
    with together("gathering what is divided over processes"):
        return np.asarray(helpers.process_allgather(x, tiled=True))
