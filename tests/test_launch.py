"""Two real processes over loopback: the curve of one, checkpoints that go on, and clear errors when one is killed."""

from __future__ import annotations

import inspect
import json
import os
import signal
import subprocess
import sys
import time
import warnings

import pytest

from autograd_nn import launch as module
from autograd_nn.launch import launch, main

from .jobs import environment, networks

STOPS_WITHIN = 5  # seconds, as the module says
NOTICES_WITHIN = 30  # without the launcher
NAMES_WITHIN = 15  # what fails by an exception

JOB = '''
"""Train as one of several processes; arguments: what is written, what is different here, options as JSON."""
import json
import os
import signal
import sys
import time

import numpy as np

from autograd_nn import nn, optim
from autograd_nn.cluster import Mesh
from autograd_nn.training import Callback, Checkpoint, fit

folder, options = sys.argv[1], json.loads(sys.argv[2])
rank = int(os.environ.get("AUTOGRAD_NN_PROCESS", 0))


class Odd(nn.Module):
    """Does something else in each process."""

    def forward(self, x):
        return np.tanh(x) * (1.0 + rank)


class Die(Callback):
    def step(self, state):
        if state.step == options.get("raises") and rank == options.get("who", 1):
            raise ValueError("a callback of mine")
        if state.step == options.get("leaves") and rank == options.get("who", 1):
            sys.exit()
        if state.step == options.get("dies") and rank == options.get("who", 1):
            os.kill(os.getpid(), signal.SIGKILL)


# NETWORKS


def train(model, x, y, **how):
    optimizer = optim.Adam(model.parameters(), 0.01)
    how = {"epochs": 4, "batch_size": 16, "progress": False} | how
    return fit(model, (x, y), "cross_entropy", optimizer, **how)


if __name__ == "__main__":
    found = {}
    for name in options["networks"]:
        model, x, y = networks(32)[name.removeprefix("divided ")]
        if options.get("differs") == "weights" and rank == 1:
            model.layers[0].weight.data = model.layers[0].weight.data * 1.001
        if options.get("differs") == "data" and rank == 1:
            x[17] += 1e-3
        if options.get("differs") == "code":
            model.layers[2] = Odd()
        how = {"mesh": Mesh(model=2, large=50) if "divided" in name else True}
        if {"dies", "raises", "leaves"} & set(options):
            how["callbacks"] = Die()
        if options.get("checkpoint"):
            own = rank if options["checkpoint"] == "own" else ""
            how |= {"checkpoint": f"{folder}/run{own}.safetensors", "resume": True}
            how["epochs"] = options.get("epochs", 4)
        history = train(model, x, y, **how)
        found[name] = history["loss"].tolist()
        found[name + " weights"] = float(sum(np.abs(p.data).sum() for p in model.parameters()))
    with open(f"{folder}/found{rank}.json", "w") as file:
        json.dump(found, file)
    print("trained")
    if rank == 0 and "draws" in options:
        time.sleep(options["draws"])
        print("drawn")
'''.replace("# NETWORKS\n", inspect.getsource(networks))


@pytest.fixture
def job(tmp_path):
    """Run the script as n processes; return exit status, output, seconds, and what each process found."""
    script = tmp_path / "job.py"
    script.write_text(JOB)

    def job(n, **options):
        for old in tmp_path.glob("found*.json"):
            old.unlink()
        start = time.monotonic()
        done = subprocess.run(
            [sys.executable, "-m", "autograd_nn.launch", "-n", str(n), str(script), str(tmp_path), json.dumps(options)],
            env=environment(),
            capture_output=True,
            text=True,
            timeout=120,
        )
        found = [json.loads(path.read_text()) for path in sorted(tmp_path.glob("found*.json"))]
        return done.returncode, done.stdout + done.stderr, time.monotonic() - start, found

    return job


@pytest.fixture
def alone(tmp_path):
    """Start the script as two processes, without the launcher."""
    path, started = tmp_path / "job.py", []
    path.write_text(JOB)

    def alone(options):
        known = {"AUTOGRAD_NN_COORDINATOR": f"127.0.0.1:{module.free_port()}", "AUTOGRAD_NN_PROCESSES": "2"}
        started.extend(
            subprocess.Popen(
                [sys.executable, str(path), str(tmp_path), json.dumps(options)],
                env=environment(**known, AUTOGRAD_NN_PROCESS=str(rank)),
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
            )
            for rank in range(2)
        )
        return started

    yield alone
    for process in started:
        process.kill()
        process.wait()
        process.stdout.close()


def names_of_job(tmp_path):
    """What the script defines."""
    names = {"__name__": "job"}
    before, sys.argv = sys.argv, ["job", str(tmp_path), "{}"]
    try:
        exec(JOB, names)
    finally:
        sys.argv = before
    return names


def single(tmp_path, *kinds):
    """The curves of one process, here."""
    names = names_of_job(tmp_path)
    every = names["networks"](32)
    return {kind: names["train"](*every[kind], backend="xla")["loss"].tolist() for kind in kinds}


# the launcher by itself


def script(tmp_path, text):
    path = tmp_path / "script.py"
    path.write_text(text)
    return str(path)


def test_each_process_knows_its_number_and_where_the_others_are(tmp_path, capfd):
    path = script(
        tmp_path,
        "import os, sys\n"
        "print(*(os.environ['AUTOGRAD_NN_' + n] for n in ('COORDINATOR', 'PROCESSES', 'PROCESS')), sys.argv[1])\n",
    )
    assert main(["-n", "3", path, "--mine"]) == 0
    lines = sorted(capfd.readouterr().out.splitlines())
    assert [line[:3] for line in lines] == ["[0]", "[1]", "[2]"]
    addresses = {line.split()[1] for line in lines}
    assert len(addresses) == 1 and addresses.pop().startswith("127.0.0.1:")
    assert [line.split()[2:] for line in lines] == [["3", str(i), "--mine"] for i in range(3)]


@pytest.mark.parametrize(("last", "status", "says"), [
    ("sys.exit(7)", 7, "process 1 of 2 ended with exit status 7"),
    ("os.kill(os.getpid(), signal.SIGKILL)", 137, "process 1 of 2 was killed by signal 9 (SIGKILL)"),
])  # fmt: skip
def test_when_one_fails_the_others_are_stopped(tmp_path, capfd, last, status, says):
    path = script(
        tmp_path,
        "import os, signal, sys, time\n"
        "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"  # it does not listen
        f"if os.environ['AUTOGRAD_NN_PROCESS'] == '1':\n    {last}\n"
        "time.sleep(60)\n",
    )
    start = time.monotonic()
    assert main(["-n", "2", path]) == status
    assert time.monotonic() - start < STOPS_WITHIN + 2  # which Python takes to start
    error = capfd.readouterr().err
    assert says in error and "resume=True" in error


@pytest.mark.skipif(sys.platform == "win32", reason="signals are other ones there")
@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGHUP"])
def test_signals_to_the_launcher_stop_all(tmp_path, name):
    number = getattr(signal, name)
    path = script(tmp_path, "import os, time; print(os.getpid()); time.sleep(60)")
    process = subprocess.Popen(
        [sys.executable, "-m", "autograd_nn.launch", "-n", "2", path],
        env=environment(),
        stdout=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(number, signal.SIG_DFL),  # in the background of a shell it may be ignored
    )
    with process:
        pids = [int(process.stdout.readline().split()[1]) for _ in range(2)]
        process.send_signal(number)
        assert process.wait(STOPS_WITHIN) == 128 + number
    for pid in pids:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)


def test_wrong_arguments(capsys):
    for arguments, says in ((["-n", "0", __file__], "at least 1"), (["-n", "2", "nowhere.py"], "no script nowhere.py")):
        with pytest.raises(SystemExit):
            main(arguments)
        assert says in capsys.readouterr().err
    with pytest.raises(ValueError, match="at least 1 process"):
        launch(["true"], 0)


def test_names_of_signals():
    assert module.signal_name(9) == "SIGKILL" and module.signal_name(999) == "unknown"


# with JAX


@pytest.mark.xla
class TestWithJax:
    """In the gate's stage for XLA, which installs JAX."""

    @pytest.fixture(autouse=True)
    def jax(self):
        return pytest.importorskip("jax", reason='no JAX: pip install "autograd_nn[xla]"')

    def test_two_processes_give_the_curves_of_one(self, job, tmp_path):
        status, output, _, found = job(2, networks=["mlp", "cnn", "rnn", "divided mlp"])
        assert status == 0, output
        assert found[0] == found[1]
        wanted = single(tmp_path, "mlp", "cnn", "rnn")
        for name, losses in wanted.items():
            assert found[0][name] == pytest.approx(losses, rel=2e-5), name
            assert losses[-1] < losses[0]
        assert found[0]["divided mlp"] == pytest.approx(wanted["mlp"], rel=2e-5)  # weights over both processes

    def test_a_killed_process_stops_the_job_which_goes_on_from_its_checkpoint(self, job, tmp_path):
        status, output, _, found = job(2, networks=["mlp"], checkpoint=True, dies=5)  # in epoch 3 of 4
        assert status == 137 and not found, output
        assert "launch: process 1 of 2 was killed by signal 9 (SIGKILL); the others are stopped" in output
        files = sorted(path.name for path in tmp_path.glob("*safetensors*"))
        assert files == ["run.safetensors"]  # written once, whole
        names = names_of_job(tmp_path)
        model, x, y = names["networks"](32)["mlp"]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # on other devices the last bits may differ
            alone = names["train"](model, x, y, backend="xla", resume=str(tmp_path / "run.safetensors"))
        status, output, _, found = job(2, networks=["mlp"], checkpoint=True)
        assert status == 0, output
        wanted = single(tmp_path, "mlp")["mlp"]
        assert found[0]["mlp"] == found[1]["mlp"] == pytest.approx(wanted, rel=2e-5)  # all four epochs
        assert alone["loss"].tolist() == pytest.approx(wanted, rel=2e-5)  # and so on one process

    def test_without_the_launcher_the_others_notice_and_say_what_to_do(self, alone):
        processes = alone({"networks": ["mlp"], "dies": 3})
        processes[1].wait(90)
        assert processes[1].returncode == -signal.SIGKILL
        start = time.monotonic()
        output, _ = processes[0].communicate(timeout=NOTICES_WITHIN)
        assert time.monotonic() - start < NOTICES_WITHIN
        assert processes[0].returncode != 0
        assert "most likely since another process has ended" in output and "resume=True" in output

    @pytest.mark.parametrize("who", [0, 1])
    def test_without_the_launcher_an_exception_is_told_to_the_others(self, alone, who):
        processes = alone({"networks": ["mlp"], "raises": 3, "who": who})
        while True:  # till it raises
            line = processes[who].stdout.readline()
            if line.startswith("ValueError: a callback of mine") or not line:
                break
        start = time.monotonic()
        output, _ = processes[1 - who].communicate(timeout=NAMES_WITHIN)
        processes[who].wait(NAMES_WITHIN)
        assert time.monotonic() - start < NAMES_WITHIN
        assert [process.returncode for process in processes] == [1, 1]
        assert f"process {who} of 2 has raised ValueError: a callback of mine" in output and "resume=True" in output

    @pytest.mark.parametrize(("what", "who"), [("raises", 0), ("raises", 1), ("leaves", 1)])
    def test_the_process_that_fails_is_blamed(self, job, what, who):
        status, output, _, found = job(2, networks=["mlp"], who=who, **{what: 3})
        assert status == 1 and not found
        assert f"launch: process {who} of 2 " in output
        why = "has raised ValueError: a callback of mine" if what == "raises" else "has come to the end of its script"
        assert f"process {who} of 2 {why}" in output

    @pytest.mark.parametrize("who", [0, 1])
    def test_a_process_that_ends_without_fit(self, tmp_path, capfd, who):
        path = script(
            tmp_path,
            "import os\n"
            f"if os.environ['AUTOGRAD_NN_PROCESS'] != '{who}':\n"
            "    from autograd_nn import cluster\n"
            "    cluster.join()\n",
        )
        start = time.monotonic()
        assert main(["-n", "2", path]) == 1
        assert time.monotonic() - start < NAMES_WITHIN
        says = f"process {who} of 2 has come to the end of its script without fit(…, mesh=…) or cluster.join()"
        assert says in capfd.readouterr().err

    def test_one_process_may_go_on_for_long_after_fit(self, job):
        status, output, _, found = job(2, networks=["mlp"], draws=13)  # JAX would wait for 10 seconds
        assert status == 0 and len(found) == 2 and "drawn" in output, output

    @pytest.mark.parametrize(("what", "says"), [
        ("weights", "initial weights"), ("data", "data and settings"), ("code", "programs"),
    ])  # fmt: skip
    def test_processes_that_do_not_run_the_same(self, job, what, says):
        status, output, _, found = job(2, networks=["mlp"], differs=what)
        assert status != 0 and not found
        assert f"the 2 processes do not run the same: {says} differ. Start the same script" in output

    def test_a_checkpoint_that_only_one_process_can_read(self, job):
        status, output, _, _ = job(2, networks=["mlp"], checkpoint="own", epochs=2)  # written by the first one
        assert status == 0, output
        status, output, _, found = job(2, networks=["mlp"], checkpoint="own")
        assert status != 0 and not found
        assert "places to go on from differ. The checkpoint has to be where every process can read it" in output

    @pytest.mark.parametrize("launcher", ["slurm", "open mpi"])
    def test_the_same_script_finds_the_others_in_the_environment_of_other_launchers(self, tmp_path, launcher):
        """What `srun` and `mpirun` set; neither is started."""
        path, job = tmp_path / "job.py", os.getpid()
        path.write_text(
            "import numpy as np\n"
            "from autograd_nn import nn\n"
            "from autograd_nn.training import fit\n"
            "x, y = np.ones((4, 2)), np.arange(4) % 2\n"
            "history = fit(nn.MLP([2, 2], rng=0), (x, y), 'cross_entropy', epochs=1, progress=False, mesh=True)\n"
            "print(history.environment['mesh'], history['loss'][-1])\n"
        )
        processes = []
        for rank in range(2):
            known = {
                "slurm": {
                    "SLURM_JOB_ID": f"{job}", "SLURM_STEP_NODELIST": "localhost", "SLURM_NTASKS": "2",
                    "SLURM_PROCID": f"{rank}", "SLURM_LOCALID": f"{rank}",
                },
                "open mpi": {
                    "OMPI_MCA_orte_hnp_uri": f"{job * 4096 % 2**31}.0;tcp://127.0.0.1:34911",
                    "OMPI_COMM_WORLD_SIZE": "2", "OMPI_COMM_WORLD_RANK": f"{rank}",
                    "OMPI_COMM_WORLD_LOCAL_RANK": f"{rank}",
                },
            }[launcher]  # fmt: skip
            command = [sys.executable, str(path)]
            processes.append(subprocess.Popen(command, env=environment(**known), stdout=subprocess.PIPE, text=True))
        found = [process.communicate(timeout=90)[0].splitlines()[-1] for process in processes]
        assert found[0] == found[1] and found[0].startswith("Mesh(2 × cpu, batch 2, model 1, 2 processes)")
