"""Two processes learn to read handwritten digits together, each from its half of every batch.

    python examples/two_processes.py

starts itself twice on this machine; so does ``python -m autograd_nn.launch -n 2 examples/two_processes.py``. Under
Slurm (``srun --ntasks=64``), Open MPI (``mpirun -n 64``) or Kubernetes the same script runs on as many machines as
there are: nothing in it knows how many. Kill a process, start again, and it goes on from the last epoch.

Each process runs the whole script on the same data; ``mesh=True`` divides every batch, and adds the gradients up. It
needs JAX, ``pip install "autograd_nn[xla]"``; without it one process trains, with NumPy, and gets the same.
"""

from __future__ import annotations

import importlib.util
import os
import sys

import numpy as np
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

from autograd_nn import nn, optim
from autograd_nn.launch import launch
from autograd_nn.training import evaluate, fit

PROCESSES = 2
CHECKPOINT = "two_processes.safetensors"
HAS_JAX = importlib.util.find_spec("jax") is not None


def load(seed: int) -> tuple[tuple[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]:
    """Return images of 8 × 8 pixels from 0 to 1 with their labels, for training and for testing."""
    images, labels = load_digits(return_X_y=True)
    images = (images / 16).astype(np.float32).reshape(-1, 1, 8, 8)
    x, x_test, y, y_test = train_test_split(images, labels, test_size=0.2, stratify=labels, random_state=seed)
    return (x, y), (x_test, y_test)


def network(seed: int) -> nn.Module:
    """Return a small convolutional network: the same in every process, since it has a seed."""
    rng = np.random.default_rng(seed)
    return nn.Sequential(
        nn.Conv2d(1, 16, 3, padding=1, rng=rng),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(256, 64, rng=rng),
        nn.ReLU(),
        nn.Dropout(0.2, rng=rng),
        nn.Linear(64, 10, rng=rng),
    )


def train(seed: int = 0, *, mesh: bool = HAS_JAX, epochs: int = 8) -> dict[str, float]:
    """Train, in as many processes as this is one of; return the numbers."""
    training, test = load(seed)
    model = network(seed)
    optimizer = optim.Adam(model.parameters(), 0.003)
    history = fit(
        model, training, "cross_entropy", optimizer, epochs=epochs, batch_size=64, mesh=mesh or None, seed=seed,
        checkpoint=CHECKPOINT, resume=True,
    )  # fmt: skip
    accuracy = evaluate(model, test, metrics="accuracy")["accuracy"]
    print(f"test accuracy {accuracy:.4f} on {len(test[0])} images; {history.environment.get('mesh', 'NumPy')}")
    return {"loss": float(history["loss"][-1]), "accuracy": accuracy}


def main() -> int:
    """Start the processes; each of them trains."""
    if not HAS_JAX:
        print('One process, with NumPy. For two: pip install "autograd_nn[xla]".')
        train()
        return 0
    return launch([sys.executable, os.path.abspath(__file__)], PROCESSES)


if __name__ == "__main__":
    if "AUTOGRAD_NN_PROCESS" in os.environ or "SLURM_PROCID" in os.environ or "OMPI_COMM_WORLD_RANK" in os.environ:
        train()
    else:
        sys.exit(main())
