"""The playground: a page on this computer on which a network learns while one watches. ``autograd-nn playground``.

The page shows what the library computes and nothing else: `fit` trains, in a thread of its own, and what is drawn are
its weights, its gradients and its losses. `code` writes the Python program that gives the same numbers, bit for bit.
"""

from .server import Playground, serve
from .settings import Settings

__all__ = ["Playground", "Settings", "serve"]
