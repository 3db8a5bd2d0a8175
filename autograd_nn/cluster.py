"""Several devices and several processes: what `fit(…, mesh=…)` takes, and how processes find each other.

    python -m autograd_nn.launch -n 2 train.py

starts a job on this machine; the same script runs under Slurm, Open MPI and Kubernetes, see ``docs/scaling_out.md``.
"""

from .compiler.mesh import Mesh, MeshError, join

__all__ = ["Mesh", "MeshError", "join"]
