"""Write the reference pages, as they follow from the package: one page a module, and the table of ops.

Functions and classes that a module defines are documented in full. Names that it collects from elsewhere, and ops,
which are objects with rules and domains, go into tables.
"""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import re
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import matplotlib as mpl
import matplotlib.pyplot as plt
from sphinx.pycode import ModuleAnalyzer

import autograd_nn
from autograd_nn import OPS, Op
from autograd_nn.visualize import RenderError

OP_PAGE = """\
Every operation that has a node of its own in a graph, read from `autograd_nn.OPS`. Functions composed of them are in
the API reference. *Domain* is the open set on which the rule is an ordinary derivative; *kinks* say what the rule
returns elsewhere. Ops with ℂ beside their domain take complex numbers too, the others refuse them. Arrays are
positional arguments, attributes go by keyword.

"""
WIDE = """\
.. raw:: html

   <style>.content { width: min(64em, 100%); }</style>

"""  # five columns do not fit the width of a page of prose
FOR_USERS = (
    "autograd_nn",
    "autograd_nn.data",
    "autograd_nn.export",
    "autograd_nn.functions",
    "autograd_nn.losses",
    "autograd_nn.nn",
    "autograd_nn.nn.scalar",
    "autograd_nn.numpy",
    "autograd_nn.numpy.fft",
    "autograd_nn.numpy.linalg",
    "autograd_nn.numpy.random",
    "autograd_nn.optim",
    "autograd_nn.plot",
    "autograd_nn.saving",
    "autograd_nn.sklearn",
    "autograd_nn.testing",
    "autograd_nn.testing.strategies",
    "autograd_nn.training",
    "autograd_nn.transforms",
    "autograd_nn.visualize",
)
TITLES = {"fft": "Fourier transforms", "linalg": "Linear algebra", "op": "Results of ops that return several"}
NOT_A_PAGE = ("autograd_nn.ops", "autograd_nn.__main__")  # ops have the table


def write(folder: Path) -> None:
    """Write all pages into `folder`, without touching those that are right already (Sphinx would read them again)."""
    pages = {f"{module.__name__}.rst": module_page(module) for module in public_modules()}
    pages["index.rst"] = index([name.removesuffix(".rst") for name in pages])
    pages["ops.rst"] = op_page()
    folder.mkdir(exist_ok=True)
    draw_examples(folder)
    draw_plots(folder)
    for old in folder.glob("*.rst"):
        if old.name not in pages:
            old.unlink()
    for name, text in pages.items():
        path = folder / name
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")


def index(modules: list[str]) -> str:
    """Return the page that lists the modules: those one imports from first, then those behind them."""
    text = heading("API reference", "=")
    for title, names in (
        ("To import from", [name for name in modules if name in FOR_USERS]),
        ("Behind them", [name for name in modules if name not in FOR_USERS]),
    ):
        entries = "\n".join(f"   {name.removeprefix('autograd_nn.')} <{name}>" for name in names)
        text += heading(title, "-") + f".. toctree::\n   :maxdepth: 1\n\n{entries}\n\n"
    return text


def public_modules() -> Iterator[ModuleType]:
    """Yield the package and its public modules that define or collect names."""
    yield autograd_nn
    for found in pkgutil.walk_packages(autograd_nn.__path__, "autograd_nn."):
        hidden = any(part.startswith("_") for part in found.name.split("."))
        if not hidden and not found.name.startswith(NOT_A_PAGE):
            module = importlib.import_module(found.name)
            if getattr(module, "__all__", None):
                yield module


def module_page(module: ModuleType) -> str:
    """Return the page of one module: its docstring, what it defines, what it collects."""
    defined, collected = [], []
    for name in module.__all__:
        thing = getattr(module, name)
        at_home = getattr(thing, "__module__", module.__name__) == module.__name__ and not isinstance(thing, Op)
        if at_home and inspect.isclass(thing):
            defined.append(f".. autoclass:: {name}\n   :members:\n")
        elif at_home and inspect.isroutine(thing):
            defined.append(f".. autofunction:: {name}\n")
        elif is_data(thing) and home(name, thing) == module.__name__ and comment(name, thing):
            defined.append(f".. autodata:: {name}\n   :no-value:\n")
        else:
            collected.append((name, thing))
    text = heading(module.__name__, "=") + f".. automodule:: {module.__name__}\n   :no-members:\n\n"
    text += f".. currentmodule:: {module.__name__}\n\n" + "\n".join(defined)
    if collected:
        rows = (
            (link(name, thing), f"``{home(name, thing)}``", first_line(thing) or comment(name, thing) or value(thing))
            for name, thing in sorted(collected, key=lambda c: c[0].lower())
        )
        text += "\n" + table(("name", "written in", "what it is"), rows, (20, 25, 55))
    return text


def op_page() -> str:
    """Return the table of ops, one section for each file in ``ops/``."""
    text = heading("Operations", "=") + OP_PAGE + WIDE
    by_module: dict[str, list[Op]] = {}
    for op in OPS.values():
        by_module.setdefault(op.module, []).append(op)
    for name, ops in sorted(by_module.items(), key=lambda item: (item[0].count(".") < 2, item[0])):
        if not name.startswith("autograd_nn."):
            continue  # an op of the user's
        title = name.rpartition(".")[2]
        text += heading(TITLES.get(title, title.capitalize()), "-")
        text += first_paragraph(importlib.import_module(name)) + "\n\n"
        text += table(("op", "NumPy", "arguments", "domain", "what it is"), map(op_row, ops), (15, 16, 17, 14, 38))
    return text


def op_row(op: Op) -> tuple[str, ...]:
    """Return the cells of one op."""
    name = f"``{op.name}``" + (f" {escape(op.label)}" if op.label.replace(" ", "_") != op.name else "")
    numpy = ", ".join(dict.fromkeys(f"``{numpy_name(f)}``" for f in op.numpy)) or "–"
    attrs = [f"{key}={op.defaults[key]!r}" if key in op.defaults else key for key in attributes(op)]
    arguments = f"``({', '.join([*op.args, *(['*'] if attrs and not op.variadic else []), *attrs])})``"
    domain = ", ".join(dict.fromkeys(str(interval) for interval in op.domain))
    if op.complex:
        domain += "; ℂ"
    about = first_line(op)
    if not op.differentiable:
        about += " *No derivative.*"
    if op.kinks:
        about += f" *Kinks:* {inline(op.kinks)}"
    return name, numpy, arguments, escape(domain), about


def attributes(op: Op) -> list[str]:
    """Return the names of the op's keyword arguments."""
    parameters = inspect.signature(op.forward).parameters.values()
    return [parameter.name for parameter in parameters if parameter.kind is parameter.KEYWORD_ONLY]


def numpy_name(function: object) -> str:
    """Return the name by which NumPy's users know a function: ``fft.rfft``, ``linalg.solve``."""
    module = (getattr(function, "__module__", "") or "").removeprefix("numpy")
    room = next((part for part in module.split(".") if part in ("linalg", "fft")), "")
    return f"np.{room}.{function.__name__}" if room else f"np.{getattr(function, '__name__', function)}"


def is_data(thing: object) -> bool:
    """Say whether it is neither code, which has documentation of its own, nor an object of NumPy's."""
    return not (inspect.ismodule(thing) or callable(thing)) and not type(thing).__module__.startswith("numpy")


def link(name: str, thing: object) -> str:
    """Return a name that leads to its documentation, where it has a page."""
    target = home(name, thing)
    if not inspect.ismodule(thing):
        target += "." + getattr(thing, "__qualname__", name)
    return f":py:obj:`{name} <{target}>`"


def home(name: str, thing: object) -> str:
    """Say where a name is written; plain data does not know, but a module that makes it public does."""
    if (inspect.isclass(thing) or inspect.isroutine(thing) or isinstance(thing, Op)) and thing.__module__:
        return thing.__module__
    if inspect.ismodule(thing):
        return thing.__name__
    for module in sorted((m for m in sys.modules if m.startswith("autograd_nn.")), reverse=True):
        if name in getattr(sys.modules[module], "__all__", ()) and getattr(sys.modules[module], name) is thing:
            return module
    return "autograd_nn"


def first_paragraph(thing: object) -> str:
    """Return the first paragraph of a docstring on one line; "" if there is none, or only that of a built-in type."""
    own = inspect.isclass(thing) or inspect.isroutine(thing) or inspect.ismodule(thing) or isinstance(thing, Op)
    doc = inspect.cleandoc(getattr(thing, "__doc__", None) or "") if own else ""
    return " ".join(doc.split("\n\n")[0].split())


def first_line(thing: object) -> str:
    """Return the first paragraph as reStructuredText."""
    return inline(first_paragraph(thing))


def comment(name: str, thing: object) -> str:
    """Return the first sentence of the string that follows a constant in the code: data has no docstring."""
    module = home(name, thing)
    found = ModuleAnalyzer.for_module(module).find_attr_docs().get(("", name), [""])
    return inline(" ".join(found).partition(". ")[0].strip())


def value(thing: object) -> str:
    """Return a constant as it is written, if that is short."""
    return f"``{thing}``" if is_data(thing) and len(str(thing)) < 40 else "–"


PICTURE = re.compile(r"<!-- picture: (?P<name>\w+), (?P<alt>[^\n]+?) -->\n```python\n(?P<code>.*?)```", re.DOTALL)


def draw_examples(folder: Path) -> None:
    """Run the code that a page marks as a picture's, and keep its `drawing` as an SVG, with an `.inc` to show it."""
    for page in sorted(folder.parent.glob("*.md")):
        for found in PICTURE.finditer(page.read_text(encoding="utf-8")):
            name, names = found["name"], dict[str, Any]()
            exec(found["code"], names)  # noqa: S102  (our own page)
            picture = f".. image:: generated/{name}.svg\n   :alt: {found['alt']}\n"
            picture += f"   :target: _images/{name}.svg\n"  # by itself it can be enlarged
            try:
                names["drawing"].save(folder / f"{name}.svg")
            except RenderError as error:
                picture = f"(No picture here: {escape(str(error))})\n"
            (folder / f"{name}.inc").write_text(picture, encoding="utf-8")


PLOT = re.compile(r"<!-- plot: (?P<name>\w+), (?P<alt>[^\n]+?) -->\n```python\n(?P<code>.*?)```", re.DOTALL)


def draw_plots(folder: Path) -> None:
    """Run the code that a page marks as a plot's, and keep what it leaves: an `ax`, a `figure`, or a `film`.

    The marked blocks of a page share their names. A film goes into the page itself, with a still picture for readers
    who want no motion.
    """
    with mpl.rc_context({"svg.hashsalt": "autograd_nn"}):
        for page in sorted(folder.parent.glob("*.md")):
            names: dict[str, Any] = {}
            for found in PLOT.finditer(page.read_text(encoding="utf-8")):
                exec(found["code"], names)  # noqa: S102  (our own page)
                if "film" in names:
                    film = folder / f"{found['name']}.html"
                    film.write_text(names.pop("film")._repr_html_(), encoding="utf-8")
                    picture = f".. raw:: html\n   :file: {film.name}\n"  # a path from here, not from the page
                else:
                    figure = names.pop("figure") if "figure" in names else names.pop("ax").figure
                    figure.savefig(folder / f"{found['name']}.svg", metadata={"Date": None}, dpi=200)
                    picture = f".. image:: generated/{found['name']}.svg\n   :alt: {found['alt']}\n"
                (folder / f"{found['name']}.inc").write_text(picture, encoding="utf-8")
                plt.close("all")


def of_another_library(name: str) -> bool:
    """Is it a member that scikit-learn gives to its estimators? Its text refers to pages of theirs."""
    return re.fullmatch(r"set_\w+_request", name) is not None


MARKUP = re.compile(r"(:\w+:)?``?[^`]+``?|(?<![\w*])(\*\*?)(?=[\w\"])[^*`]*[\w.\"]\2(?![\w*])")


ATTRIBUTE = re.compile(r"(?<![`\w:])`(\.\w+)`(?!`)")  # `.grad` is an attribute, not a place to lead to


def inline(text: str) -> str:
    """Keep literals and emphasis; of the rest, take their meaning from ``|x|``, ``f(*args)`` and ``x_``."""
    text = ATTRIBUTE.sub(r"``\1``", text)
    parts, end = [], 0
    for found in MARKUP.finditer(text):
        parts += [escape(text[end : found.start()]), found[0]]
        end = found.end()
    return "".join([*parts, escape(text[end:])])


def tidy_docstring(lines: list[str]) -> None:
    """Do the same, in place, with a docstring whose sections are directives and fields by now; its examples stay."""
    for i, line in enumerate(lines):
        if line.startswith(":type: "):  # napoleon's reading of a property that begins with words and a colon
            lines[0] = f"{line.removeprefix(':type: ')}: {lines[0]}"
            lines[i] = ""
    example = False
    for i, line in enumerate(lines):
        example = line.strip() != "" and (example or line.lstrip().startswith(">>>"))
        if not example and not line.startswith("..") and "\\" not in line:
            line = ATTRIBUTE.sub(r"``\1``", line)
            lines[i] = re.sub(r"(?<!\w)\|(?=\S)|(?<=\S)\||(?<![\w*])\*(?=\w+[),`])", r"\\\g<0>", line)
        lines[i] = re.sub(r"^(:ivar \w+)_:", r"\1\\_:", lines[i])  # `classes_` is no reference


def escape(text: str) -> str:
    """Take the meaning from characters that reStructuredText would read as markup."""
    return re.sub(r"[\\*`|]|_\b", r"\\\g<0>", text)


def heading(title: str, line: str) -> str:
    """Return a title with its underline."""
    return f"{title}\n{line * len(title)}\n\n"


def table(header: tuple[str, ...], rows: Iterable[tuple[str, ...]], widths: tuple[int, ...]) -> str:
    """Return a list-table."""
    lines = [".. list-table::", "   :header-rows: 1", f"   :widths: {' '.join(map(str, widths))}", ""]
    for row in (header, *rows):
        lines += [f"   {'* -' if i == 0 else '  -'} {cell}" for i, cell in enumerate(row)]
    return "\n".join(lines) + "\n\n"
