"""Write the reference pages, as they follow from the package: one page a module, and the table of ops.

Functions and classes that a module defines are documented in full. Names that it collects from elsewhere, and ops,
which are objects with rules and domains, go into tables.
"""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import ModuleType

import autograd_nn
from autograd_nn import OPS, Op

OP_PAGE = """\
Every operation that has a node of its own in a graph, read from `autograd_nn.OPS`. Functions composed of them are in
the API reference. *Domain* is the open set on which the rule is an ordinary derivative; *kinks* say what the rule
returns elsewhere. Arrays are positional arguments, attributes go by keyword.

"""
NOT_A_PAGE = ("autograd_nn.ops", "autograd_nn.__main__")  # ops have the table


def write(folder: Path) -> None:
    """Write all pages into `folder`, without touching those that are right already (Sphinx would read them again)."""
    pages = {f"{module.__name__}.rst": module_page(module) for module in public_modules()}
    entries = "\n".join(f"   {name.removesuffix('.rst')}" for name in pages)
    pages["index.rst"] = heading("API reference", "=") + f".. toctree::\n   :maxdepth: 1\n\n{entries}\n"
    pages["ops.rst"] = op_page()
    folder.mkdir(exist_ok=True)
    for old in folder.glob("*.rst"):
        if old.name not in pages:
            old.unlink()
    for name, text in pages.items():
        path = folder / name
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")


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
        else:
            collected.append((name, thing))
    text = heading(module.__name__, "=") + f".. automodule:: {module.__name__}\n   :no-members:\n\n"
    text += f".. currentmodule:: {module.__name__}\n\n" + "\n".join(defined)
    if collected:
        rows = (
            (f"``{name}``", home(thing), first_line(thing))
            for name, thing in sorted(collected, key=lambda c: c[0].lower())
        )
        text += "\n" + table(("name", "written in", "what it is"), rows, (20, 25, 55))
    return text


def op_page() -> str:
    """Return the table of ops, one section for each file in ``ops/``."""
    text = heading("Operations", "=") + OP_PAGE
    by_module: dict[str, list[Op]] = {}
    for op in OPS.values():
        by_module.setdefault(op.module, []).append(op)
    for name, ops in sorted(by_module.items()):
        if not name.startswith("autograd_nn."):
            continue  # an op of the user's
        title = name.rpartition(".")[2]
        text += heading(title.capitalize(), "-") + first_paragraph(importlib.import_module(name)) + "\n\n"
        text += table(("op", "NumPy", "arguments", "domain", "what it is"), map(op_row, ops), (15, 16, 17, 14, 38))
    return text


def op_row(op: Op) -> tuple[str, ...]:
    """Return the cells of one op."""
    name = f"``{op.name}``" + (f" {escape(op.label)}" if op.label != op.name else "")
    numpy = ", ".join(dict.fromkeys(f"``{numpy_name(f)}``" for f in op.numpy)) or "–"
    attrs = [f"{key}={op.defaults[key]!r}" if key in op.defaults else key for key in attributes(op)]
    arguments = f"``({', '.join([*op.args, *(['*'] if attrs and not op.variadic else []), *attrs])})``"
    domain = ", ".join(dict.fromkeys(str(interval) for interval in op.domain))
    about = first_line(op)
    if not op.differentiable:
        about += " *No derivative.*"
    if op.kinks:
        about += f" *Kinks:* {op.kinks}"
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


def home(thing: object) -> str:
    """Say where a collected name is written; nothing for plain data."""
    module = getattr(thing, "__module__", None)
    return f"``{module}``" if isinstance(module, str) else ""


def first_paragraph(thing: object) -> str:
    """Return the first paragraph of a docstring on one line; "" if there is none, or only that of a built-in type."""
    own = inspect.isclass(thing) or inspect.isroutine(thing) or inspect.ismodule(thing) or isinstance(thing, Op)
    doc = inspect.cleandoc(getattr(thing, "__doc__", None) or "") if own else ""
    return " ".join(doc.split("\n\n")[0].split())


def first_line(thing: object) -> str:
    """Return the first paragraph: ours is reStructuredText with ``|x|`` as mathematics; that of others plain text."""
    text = first_paragraph(thing)
    ours = (getattr(thing, "__module__", None) or "").startswith("autograd_nn")
    return text.replace("|", "\\|") if ours else escape(text)


def escape(text: str) -> str:
    """Take the meaning from characters that reStructuredText would read as markup."""
    return "".join("\\" + c if c in "\\*`|_" else c for c in text)


def heading(title: str, line: str) -> str:
    """Return a title with its underline."""
    return f"{title}\n{line * len(title)}\n\n"


def table(header: tuple[str, ...], rows: Iterable[tuple[str, ...]], widths: tuple[int, ...]) -> str:
    """Return a list-table."""
    lines = [".. list-table::", "   :header-rows: 1", f"   :widths: {' '.join(map(str, widths))}", ""]
    for row in (header, *rows):
        lines += [f"   {'* -' if i == 0 else '  -'} {cell}" for i, cell in enumerate(row)]
    return "\n".join(lines) + "\n\n"
