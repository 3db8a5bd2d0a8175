"""The namespace of several devices and processes."""

from __future__ import annotations

from autograd_nn import cluster
from autograd_nn.compiler import mesh


def test_names():
    assert {name: getattr(cluster, name) for name in cluster.__all__} == {
        "Mesh": mesh.Mesh,
        "MeshError": mesh.MeshError,
        "join": mesh.join,
    }
