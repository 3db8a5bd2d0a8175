"""Several devices: eight of the CPU in a process of its own give what one gives; and what does not fit is refused."""

from __future__ import annotations

import inspect
import json
import os
import socket
import subprocess
import sys
import threading

import numpy as np
import pytest

from autograd_nn import nn
from autograd_nn.compiler import mesh as module
from autograd_nn.compiler.mesh import Mesh, MeshError, join, mesh_of
from autograd_nn.training import fit

from ..jobs import environment, networks

JOB = '''
"""Train three kinds of networks over a mesh; write losses and what was found."""
import json
import sys
import warnings

import numpy as np

from autograd_nn import nn, optim
from autograd_nn.cluster import Mesh
from autograd_nn.compiler.device import held
from autograd_nn.training import Callback, fit


class Look(Callback):
    """Where the weights are after a step."""

    def step(self, state):
        self.found = [not held(p).is_fully_replicated for p in state.model.parameters()]


# NETWORKS


def train(model, x, y, **how):
    optimizer = optim.Adam(model.parameters(), 0.01)
    how = {"epochs": 3, "batch_size": 16, "metrics": "accuracy", "progress": False} | how
    return fit(model, (x, y), "cross_entropy", optimizer, **how)


if __name__ == "__main__":
    found = {}
    for name, (model, x, y) in networks(36).items():
        history = train(model, x, y, mesh=True)
        found[name] = history["loss"].tolist()
        found[name + " accuracy"] = history["accuracy"].tolist()
    found["mesh"] = history.environment["mesh"]
    if "model" in sys.argv:  # a weight too large for one device
        (model, x, y), mesh = networks(36)["mlp"], Mesh(model=2, large=50)
        look = Look()
        found["model"] = train(model, x, y, mesh=mesh, callbacks=look)["loss"].tolist()
        found["divided"] = look.found
        found["model mesh"] = repr(mesh)
    if "again" in sys.argv:  # on other devices, with the same model and optimizer, and labels of few bits
        warnings.simplefilter("error")  # a plan that fails warns
        model, x, y = networks(32)["cnn"]
        optimizer = optim.Adam(model.parameters(), 0.01)
        for mesh in (8, 2, 8):
            fit(model, (x, y.astype("uint8")), "cross_entropy", optimizer, epochs=1, mesh=mesh, progress=False)
        found["again"] = optimizer.steps
    with open(sys.argv[1], "w") as file:
        json.dump(found, file)
'''.replace("# NETWORKS\n", inspect.getsource(networks))


@pytest.fixture
def single():
    """The curves of one device in this process."""
    names = {"__name__": "job"}
    exec(JOB, names)
    found = {}
    for name, (model, x, y) in names["networks"](36).items():
        history = names["train"](model, x, y, backend="xla")
        found[name], found[name + " accuracy"] = history["loss"], history["accuracy"]
    return found


def run_job(tmp_path, *arguments, **new):
    script, out = tmp_path / "job.py", tmp_path / "found.json"
    script.write_text(JOB)
    done = subprocess.run(
        [sys.executable, str(script), str(out), *arguments],
        env=environment(**new),
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return json.loads(out.read_text())


def test_without_jax_the_error_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "jax", None)
    for make in (Mesh, join, lambda: mesh_of(True), lambda: mesh_of(2)):
        with pytest.raises(ImportError, match=r'pip install "autograd_nn\[xla\]"'):
            make()
    model = nn.MLP([2, 2], rng=0)
    with pytest.raises(ImportError, match=r'pip install "autograd_nn\[xla\]"'):
        fit(model, (np.zeros((4, 2)), np.zeros(4, int)), "cross_entropy", mesh=True)


def test_no_mesh_needs_no_jax(monkeypatch):
    monkeypatch.setitem(sys.modules, "jax", None)
    assert mesh_of(None) is None and mesh_of(False) is None


@pytest.fixture
def plain(monkeypatch):
    """The environment without a launcher."""
    for name in list(os.environ):
        if name.startswith(("SLURM", "OMPI", "JAX", "PMI", "MV2", "TPU", "MEGASCALE", "AUTOGRAD_NN_")):
            monkeypatch.delenv(name)


MPICH = {"PMI_SIZE": "2", "PMI_RANK": "1"}
WHOLE = {"COORDINATOR": "node1:9911", "PROCESSES": "4", "PROCESS": "3"}
FOUND = {"coordinator_address": "node1:9911", "num_processes": 4, "process_id": 3}


@pytest.mark.usefixtures("plain")
@pytest.mark.parametrize(("environment", "found"), [
    ({}, None),
    ({"SLURM_NTASKS": "1", "SLURM_PROCID": "0"}, None),
    ({"SLURM_NTASKS": "4"}, None),  # in sbatch itself, outside of srun
    ({"SLURM_NTASKS": "4", "SLURM_PROCID": "2"}, {}),
    ({"OMPI_COMM_WORLD_SIZE": "2", "OMPI_COMM_WORLD_RANK": "0", "OMPI_MCA_orte_hnp_uri": "1.0;tcp://a:1"}, {}),
    ({"JAX_COORDINATOR_ADDRESS": "a:1"}, {}),
    ({"TPU_WORKER_HOSTNAMES": "a,b", "TPU_WORKER_ID": "0"}, {}),
    ({"MEGASCALE_COORDINATOR_ADDRESS": "a"}, {}),
    ({"TPU_WORKER_HOSTNAMES": "localhost", "TPU_WORKER_ID": "0"}, None),
    ({"PMI_SIZE": "1", "PMI_RANK": "0"}, None),
    (WHOLE, FOUND),
    ({"COORDINATOR": "[::1]:9911", "PROCESSES": "1", "PROCESS": "0"}, None),
    (MPICH | {"COORDINATOR": "node1:9911"}, {"coordinator_address": "node1:9911", "num_processes": 2, "process_id": 1}),
    (MPICH | WHOLE, FOUND),
])  # fmt: skip
def test_launchers_are_recognized(monkeypatch, environment, found):
    for name, value in environment.items():
        monkeypatch.setenv(f"AUTOGRAD_NN_{name}" if name in WHOLE else name, value)
    settings = module.settings_of_job()
    if settings:
        assert settings.pop("cluster_detection_method") == "deactivate"
    assert settings == found


@pytest.mark.usefixtures("plain")
@pytest.mark.parametrize(("environment", "says"), [
    (MPICH, "under MPICH or Intel MPI, .*set AUTOGRAD_NN_COORDINATOR=host:port in all of them"),
    ({"OMPI_COMM_WORLD_SIZE": "2", "OMPI_COMM_WORLD_RANK": "0"}, "under Open MPI 5, .*set AUTOGRAD_NN_COORDINATOR"),
    ({"MV2_COMM_WORLD_SIZE": "2", "MV2_COMM_WORLD_RANK": "0"}, "under MVAPICH, .*set AUTOGRAD_NN_COORDINATOR"),
    ({"SLURM_NTASKS": "many", "SLURM_PROCID": "0"}, "SLURM_NTASKS and SLURM_PROCID wanted numbers, got 'many' and '0'"),
    ({"PROCESS": "1", "PROCESSES": "2"}, "AUTOGRAD_NN_PROCESSES is set and AUTOGRAD_NN_COORDINATOR is not"),
    (WHOLE | {"COORDINATOR": "node1"}, "wanted host:port, .*got 'node1'"),
    (WHOLE | {"COORDINATOR": ":9911"}, "wanted host:port, .*got ':9911'"),
    (WHOLE | {"COORDINATOR": "node1:0"}, "wanted host:port"),
    (WHOLE | {"COORDINATOR": "node1:99999"}, "wanted host:port"),
    (WHOLE | {"PROCESS": "4"}, "from 0 and below it; got '4' and '4'"),
    (WHOLE | {"PROCESS": "-1"}, "from 0 and below it; got '4' and '-1'"),
    (WHOLE | {"PROCESS": "two"}, "wanted to be whole numbers"),
    (WHOLE | {"PROCESSES": "0", "PROCESS": "0"}, "wanted to be whole numbers"),
    (WHOLE | {"PROCESSES": ""}, "wanted to be whole numbers"),
])  # fmt: skip
def test_an_environment_that_is_malformed(monkeypatch, environment, says):
    for name, value in environment.items():
        monkeypatch.setenv(f"AUTOGRAD_NN_{name}" if name in WHOLE else name, value)
    with pytest.raises(MeshError, match=says):
        module.settings_of_job()


def test_who_has_not_come():
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        job = {"coordinator_address": f"127.0.0.1:{port}", "num_processes": 2, "process_id": 0}
        assert module.missed(job).startswith("process 1 has not come")
        assert module.missed(job | {"num_processes": 8, "process_id": 3}).startswith("not all of the 8 processes")
        assert module.missed({}).startswith("not all of the processes")
    assert f"process 0 cannot be reached at 127.0.0.1:{port}" in module.missed(job | {"process_id": 1})


@pytest.mark.xla
class TestWithJax:
    """In the gate's stage for XLA, which installs JAX."""

    @pytest.fixture(autouse=True)
    def jax(self):
        return pytest.importorskip("jax", reason='no JAX: pip install "autograd_nn[xla]"')

    def test_eight_devices_give_the_curves_of_one(self, tmp_path, single):
        found = run_job(tmp_path, "model", "again", XLA_FLAGS="--xla_force_host_platform_device_count=8")
        assert found["mesh"] == "Mesh(8 × cpu, batch 8, model 1, 1 process)"
        assert found["model mesh"] == "Mesh(8 × cpu, batch 4, model 2, 1 process)"
        for name in single:
            assert found[name] == pytest.approx(single[name], rel=2e-5), name
        assert found["divided"] == [True, False, False, False, False, False]  # 6 × 16 is 50 or more; 16 × 3 is not
        assert found["model"] == pytest.approx(single["mlp"], rel=2e-5)
        assert found["again"] == 3
        for name in ("mlp", "cnn", "rnn"):
            assert found[name][-1] < found[name][0]

    def test_more_devices_than_there_are(self):
        with pytest.raises(MeshError, match=r"wanted 64 devices, and there are \d.*launch -n 64.*device_count=64"):
            Mesh(64)
        with pytest.raises(MeshError, match="divide into model=2, got 1"):
            Mesh(1, model=2)

    @pytest.mark.parametrize("wrong", [0, -1, 1.5, "2"])
    def test_settings_that_are_no_counts(self, wrong):
        with pytest.raises(ValueError, match="whole number, at least 1"):
            Mesh(wrong)

    def test_what_is_no_mesh(self):
        with pytest.raises(TypeError, match="mesh wanted True for all devices"):
            mesh_of("all")
        assert mesh_of(1).batch == 1 and mesh_of(mesh := Mesh(1)) is mesh

    def test_a_batch_that_does_not_divide(self, monkeypatch):
        mesh = Mesh(1)
        mesh.batch = 8
        mesh.check_batch(None)
        mesh.check_batch(64)
        with pytest.raises(MeshError, match="30 rows does not divide over 8 devices: write batch_size=32 or 24"):
            mesh.check_batch(30)
        with pytest.raises(MeshError, match="write batch_size=8[.]$"):
            mesh.check_batch(3)
        with pytest.raises(MeshError, match="write batch_size=24[.]$"):  # larger ones would divide as little
            mesh.check_batch(30, 30)
        with pytest.raises(MeshError, match="use fewer devices for 5 rows"):
            mesh.check_batch(5, 5)
        with pytest.raises(MeshError, match="batch_size=16 or 8"):
            fit(nn.MLP([2, 2], rng=0), (np.zeros((40, 2)), np.zeros(40, int)), "mse", batch_size=10, mesh=mesh)
        x, y = np.zeros((36, 2)), np.zeros(36, int)
        for data in ((x, y), [(x[:12], y[:12]), (x, y)]):  # all rows at once; and batches of one's own
            with pytest.raises(MeshError, match="does not divide over 8 devices"):
                fit(nn.MLP([2, 2], rng=0), data, "cross_entropy", batch_size=None, mesh=mesh, progress=False)

    def test_a_process_that_has_ended_is_told_from_other_errors(self, capsys):
        assert module.is_lost(ValueError("UNKNOWN: Gloo AllGather failed: connection reset"))
        assert not module.is_lost(ValueError("RESOURCE_EXHAUSTED: out of memory"))
        says = r"^comparing failed, .*another process has ended: UNKNOWN.*resume=True"
        with pytest.raises(MeshError, match=says), module.together("comparing"):
            raise ValueError("UNKNOWN: Gloo AllGather failed")
        assert "resume=True" in capsys.readouterr().err
        with pytest.raises(ValueError, match="^shapes"), module.together("comparing"):
            raise ValueError("shapes differ")

    def test_rows_parameters_and_the_rest(self):
        mesh = Mesh(1, large=10)
        mesh.batch, mesh.model = 4, 2
        spec = lambda sharding: tuple(sharding.spec)  # noqa: E731
        assert spec(mesh.of_rows((8, 3))) == ("batch",)
        assert spec(mesh.of_rows((6, 3))) == spec(mesh.of_rows(())) == spec(mesh.of_rows((0, 3))) == ()
        assert spec(mesh.of_parameter((3, 8))) == (None, "model")
        assert spec(mesh.of_parameter((10, 4))) == ("model", None)
        assert spec(mesh.of_parameter((3, 5))) == spec(mesh.of_parameter((2, 4))) == ()

    def test_settings_that_contradict_each_other(self):
        model, data = nn.MLP([2, 2], rng=0), (np.zeros((4, 2)), np.zeros(4, int))
        with pytest.raises(ValueError, match="a mesh of devices needs backend='xla', got 'numpy'"):
            fit(model, data, "cross_entropy", backend="numpy", mesh=1)
        with pytest.raises(ValueError, match="contradict"):
            fit(model, data, "cross_entropy", backend="numpy", compile="xla")
        with pytest.raises(ValueError, match="backend wanted one of auto, .*xla, got 'tpu'"):
            fit(model, data, "cross_entropy", backend="tpu")

    def test_environment_that_is_not_complete(self, monkeypatch):
        monkeypatch.setenv(module.COORDINATOR, "127.0.0.1:1")
        monkeypatch.delenv(module.COUNT, raising=False)
        with pytest.raises(MeshError, match=f"{module.COUNT} and {module.RANK} wanted to be whole numbers"):
            join()
        monkeypatch.setenv(module.COUNT, "1")
        monkeypatch.setenv(module.RANK, "0")
        assert join() == 1

    def test_what_jax_does_not_find_is_named(self, plain, monkeypatch, jax):
        def initialize(**settings):
            raise ValueError("Number of processes must be defined.")

        monkeypatch.setattr(jax.distributed, "initialize", initialize)
        monkeypatch.setenv("JAX_COORDINATOR_ADDRESS", "127.0.0.1:1")
        with pytest.raises(MeshError, match="Number of processes must be defined.*Set AUTOGRAD_NN_COORDINATOR"):
            join()

    def test_who_waits_in_vain_says_for_whom(self, plain, monkeypatch, jax):
        for name, text in ((module.COORDINATOR, "127.0.0.1:1"), (module.COUNT, "2"), (module.RANK, "0")):
            monkeypatch.setenv(name, text)
        over = threading.Event()
        monkeypatch.setattr(jax.distributed, "initialize", lambda **settings: over.wait())
        monkeypatch.setattr(module, "COME", 0.1)
        with pytest.raises(MeshError, match="process 1 has not come.*Within 0.1 seconds all have to come to fit"):
            join()
        over.set()

    def test_joining_too_late_says_so(self, jax, monkeypatch):
        jax.devices()
        for name, text in ((module.COORDINATOR, "127.0.0.1:1"), (module.COUNT, "2"), (module.RANK, "1")):
            monkeypatch.setenv(name, text)
        with pytest.raises(MeshError, match=r"cluster.join\(\) at the top of the script"):
            join()
