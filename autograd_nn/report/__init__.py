"""A page about a training run: curves, scores beside a naive baseline, gradients, the model. One HTML file.

>>> import numpy as np
>>> from autograd_nn import nn, report
>>> from autograd_nn.training import fit
>>> x = np.linspace(-1, 1, 64, dtype="float32")[:, None]
>>> model = nn.MLP([1, 8, 1], rng=0)
>>> history = fit(model, (x[::2], x[::2] ** 2), "mse", epochs=5, progress=False)
>>> made = report.of(history, model, (x[1::2], x[1::2] ** 2), title="a parabola")
>>> [name for name, _, _ in made.scores]
['r2', 'rmse', 'mae']

``made.save("run.html")`` writes the page, and so does ``report.save("run.html", history, model, test)``. It needs no
network and no plotting library. At the end of a notebook cell it shows itself.
"""

from .document import Result, page, score
from .markup import visible
from .run import of, save

__all__ = ["Result", "of", "page", "save", "score", "visible"]
