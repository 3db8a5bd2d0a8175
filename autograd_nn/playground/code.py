"""The Python program that does what the playground has done, and gives the same numbers, bit for bit."""

from __future__ import annotations

from collections.abc import Sequence

from ..optim import OPTIMIZERS
from .problem import Problem, Table, noise_of
from .settings import FEATURES, Settings

__all__ = ["code"]

PROGRAM = '''\
"""{title}

Made in the autograd_nn playground: {sizes} neurons, {steps} of {algorithm}.
"""

import numpy as np

from autograd_nn import data, nn, optim
{imports}

# data
{points}
(x_train, y_train), (x_test, y_test) = data.split(x, y, test={test}, rng={seed})
scaler = data.Standardizer().fit(x_train)


def features(x):
    {coordinates} = scaler.transform(x).T
    return np.stack([{features}], axis=1)


train = features(x_train), {train}
test = features(x_test), {aim}

# network
model = nn.MLP([{layers}], activation="{activation}"{init}, rng={seed})
{rate}optimizer = optim.{algorithm}(model.named_parameters(), {first_rate}{decay})
{stop}
# training
history = fit(
    model, train, "{loss}", optimizer, epochs={epochs}, batch_size={batch_size}, {callbacks}seed={seed}, progress=False
)
print(history.stopped)
print("training loss", evaluate(model, train, "{loss}")["loss"])
print("test loss", evaluate(model, test, "{loss}")["loss"])
'''
ACCURACY = 'print("test accuracy", evaluate(model, (test[0], y_test), metrics=["accuracy"])["accuracy"])\n'

SINES = """\
rng = np.random.default_rng({seed})
x = rng.uniform(-2, 2, ({points}, 1))
y = np.sin(2 * x[:, 0]) + 0.4 * np.sin(5 * x[:, 0]) + {noise!r} * rng.standard_normal({points})"""

FILE = """\
table = columns_of(data.read_csv({path!r}))
a, b, target = table[{first!r}], table[{second!r}], table[{target!r}]
rows = np.flatnonzero(np.isfinite(a.values) & np.isfinite(b.values) & {known})
rows = rows[np.random.default_rng({seed}).permutation(len(rows))[:{points}]]
x = np.stack([a.values[rows], b.values[rows]], axis=1)
y = target.values[rows]{text}"""

ROWS = """\
# {first!r}, {second!r}, and {target!r}, which is to be predicted
ROWS = [
{rows}
]
x = np.array([row[:2] for row in ROWS])
y = np.array([row[2] for row in ROWS])"""

CLASSES = "\nclasses, y = np.unique(y, return_inverse=True)"

STOP = '''

class Stop(Callback):
    """End in the middle of an epoch."""

    def step(self, state):
        if state.step == {steps}:
            state.stop("enough")


'''

TITLES = {
    "moons": "Two moons", "circles": "Circles", "spirals": "Two spirals", "spirals3": "Three spirals", "xor": "Xor",
    "blobs": "Three blobs", "sines": "A curve of two waves", "csv": "A table",
}  # fmt: skip
CALLS = {"spirals": ("spirals", ", classes=2"), "spirals3": ("spirals", "")}


def code(
    settings: Settings,
    problem: Problem,
    *,
    steps: int = 0,
    epoch_steps: int = 1,
    rates: Sequence[tuple[int, float]] = (),
    failed: bool = False,
    table: Table | None = None,
) -> str:
    """Return the program.

    Args:
        settings: of the run.
        problem: its data.
        steps: that were taken.
        epoch_steps: steps of an epoch.
        rates: learning rates, each with the number of steps before it.
        failed: did it end since a loss was not finite? Then the program runs into the same step.
        table: of which the data are.

    >>> from autograd_nn.playground.problem import problem
    >>> settings = Settings()
    >>> print(code(settings, problem(settings), steps=20, epoch_steps=10).splitlines()[2])
    Made in the autograd_nn playground: 2-4-2-1 neurons, 20 steps of Adam.
    """
    steps += failed
    sizes = [len(problem.features), *settings.hidden, problem.outputs]
    rates = rates or [(0, settings.learning_rate)]
    partly = bool(steps % epoch_steps)
    from_file = settings.data == "csv" and table is not None and table.path is not None
    program = PROGRAM.format(
        title=f"{TITLES[settings.data]}, learnt by a network.",
        sizes="-".join(map(str, sizes)),
        steps=f"{steps} step" + "s" * (steps != 1),
        algorithm=OPTIMIZERS[settings.optimizer].__name__,
        imports="from autograd_nn.data.frame import columns_of\n" * from_file
        + f"from autograd_nn.training import {'Callback, ' * partly}evaluate, fit",
        points=points(settings, problem, table),
        test=settings.test,
        seed=settings.seed,
        coordinates="x1, x2" if len(problem.axes) == 2 else "(x1,)",
        features=", ".join(FEATURES[name][1] for name in problem.features),
        train=aim("y_train", problem),
        aim=aim("y_test", problem),
        layers=", ".join(map(str, sizes)),
        activation=settings.activation,
        init="" if settings.init == "auto" else f', init="{settings.init}"',
        rate=schedule(rates),
        first_rate=rates[0][1] if len(rates) == 1 else "rate",
        decay=f", weight_decay={settings.weight_decay!r}" if settings.weight_decay else "",
        stop=STOP.format(steps=steps) if partly else "",
        loss=problem.loss,
        epochs=-(-steps // epoch_steps),
        batch_size=settings.batch_size,
        callbacks="callbacks=[Stop()], " * partly,
    )
    return program if problem.kind == "numbers" else program + ACCURACY


def points(settings: Settings, problem: Problem, table: Table | None) -> str:
    """Return the lines that make x and y."""
    seed, number, noise = settings.seed, settings.points, noise_of(settings)
    if settings.data == "sines":
        return SINES.format(seed=seed, points=number, noise=noise)
    if settings.data != "csv" or table is None or problem.rows is None:
        name, options = CALLS.get(settings.data, (settings.data, ""))
        return f"x, y = data.{name}({number}, noise={noise!r}{options}, rng={seed})"
    first, second, target = settings.columns
    about = {"first": first, "second": second, "target": target}
    if table.path is None:  # a browser does not tell where the file is, so the program holds the rows
        x, y = (part.tolist() for part in problem.rows)
        rows = "\n".join(f"    ({u!r}, {v!r}, {w!r})," for (u, v), w in zip(x, y, strict=True))
        lines = ROWS.format(rows=rows, **about)
    else:
        numeric = table.columns[target].numeric
        known, text = ("np.isfinite(target.values)", "") if numeric else ("~target.missing", ".astype(str)")
        lines = FILE.format(path=str(table.path), seed=seed, points=number, known=known, text=text, **about)
    return lines if problem.classes is None else lines + CLASSES


def aim(y: str, problem: Problem) -> str:
    """Return the targets as the loss wants them."""
    if problem.kind == "classes":
        return y
    if problem.kind == "numbers":
        mean, scale = problem.unit
        return f"{y}[:, None]" if problem.unit == (0.0, 1.0) else f"(({y} - {mean!r}) / {scale!r})[:, None]"
    return f"(2 * {y} - 1)[:, None]" if problem.loss == "hinge" else f"{y}[:, None]"


def schedule(rates: Sequence[tuple[int, float]]) -> str:
    """Return a function of the step, if the learning rate was changed."""
    if len(rates) == 1:
        return ""
    lines = ["\n", "def rate(step):", '    """The learning rate, which was changed along the way."""']
    lines += [f"    if step > {after}:\n        return {rate!r}" for after, rate in rates[:0:-1]]
    return "\n".join([*lines, f"    return {rates[0][1]!r}", "", "", ""])
