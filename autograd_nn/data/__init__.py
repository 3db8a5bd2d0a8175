"""Data: batches, splits, small synthetic sets, the report on a table, and cleaning it into arrays.

>>> from autograd_nn import data
>>> train, test = data.split(*data.moons(100, rng=0), test=0.2, rng=0)
>>> len(list(data.Batches(*train, batch_size=32, rng=0)))
3
"""

from .batch import Batches, GeneratorSource, as_source, check_finite
from .finding import Finding
from .frame import read_csv
from .report import Report, report
from .split import fold_rows, folds, split, split_rows
from .synthetic import POSITIONS, blobs, circles, moons, sines, spirals, x_and_o, xor
from .table import Passport, Table, clean
from .transform import Encoder, Imputer, Standardizer, one_hot

__all__ = [
    "POSITIONS",
    "Batches",
    "Encoder",
    "Finding",
    "GeneratorSource",
    "Imputer",
    "Passport",
    "Report",
    "Standardizer",
    "Table",
    "as_source",
    "blobs",
    "check_finite",
    "circles",
    "clean",
    "fold_rows",
    "folds",
    "moons",
    "one_hot",
    "read_csv",
    "report",
    "sines",
    "spirals",
    "split",
    "split_rows",
    "x_and_o",
    "xor",
]
