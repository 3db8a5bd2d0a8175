"""``python -m autograd_nn`` is the command line."""

import subprocess
import sys

import autograd_nn


def test_the_package_can_be_run():
    done = subprocess.run(
        [sys.executable, "-m", "autograd_nn", "--version"], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, f"autograd-nn {autograd_nn.__version__}\n", "")


def test_exit_codes_reach_the_shell():
    done = subprocess.run(
        [sys.executable, "-m", "autograd_nn", "inspect", "no such file"], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "autograd-nn: error: no such file: No such file or directory\n"


def test_importing_it_does_nothing():
    done = subprocess.run(
        [sys.executable, "-c", "import autograd_nn.__main__"], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
