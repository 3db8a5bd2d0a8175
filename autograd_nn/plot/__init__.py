"""Plots of training, of what a network decides, and of what goes on inside of it, with matplotlib.

Every function takes ``ax=``, draws into it and returns it; without, it makes a figure that reads on white as on black
pages. Nothing is shown or saved unasked: ``plt.show()`` and ``ax.figure.savefig("plot.svg")`` are yours. Colors tell
colour-blind readers apart what they tell others, and never stand alone: markers, dashes and words say the same.
Matplotlib (the extra ``viz``) is imported when the first plot is drawn.

`Microscope` and `Replay` are pages to be played with: neurons that add up to the output, and the steps of a training
run. They need no matplotlib.

>>> from autograd_nn import plot
>>> ax = plot.activation("tanh")
>>> ax.get_title()
'tanh and its derivative'
"""

from .animation import Animation, Snapshots, animate_training
from .boundary import decision_boundary
from .curve import GradientRatios, gradients, history
from .descent import learning_rate_sweep
from .function import activation, loss_slopes
from .microscope.microscope import Microscope
from .microscope.replay import Replay
from .outcome import confusion_matrix, predicted_and_observed, residuals
from .squiggle import NeuronCurves, neuron_curves, squiggles
from .weight import weights

__all__ = [
    "Animation",
    "GradientRatios",
    "Microscope",
    "NeuronCurves",
    "Replay",
    "Snapshots",
    "activation",
    "animate_training",
    "confusion_matrix",
    "decision_boundary",
    "gradients",
    "history",
    "learning_rate_sweep",
    "loss_slopes",
    "neuron_curves",
    "predicted_and_observed",
    "residuals",
    "squiggles",
    "weights",
]
