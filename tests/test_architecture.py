"""The rules of the house, read off the source: who imports whom, where tests and rules stand, what is public.

After a deliberate change of the public names: ``python tests/test_architecture.py`` rewrites ``tests/public_api.txt``.
"""

from __future__ import annotations

import ast
import graphlib
import importlib
import importlib.util
import inspect
import subprocess
import sys
import types
from functools import cache, cached_property
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "autograd_nn"
PINNED = ROOT / "tests" / "public_api.txt"

# Imports point from a layer to itself (without cycles) or to one above it in this list. A folder stands for its files.
LAYERS = (
    ("graph", "domain"),
    ("op",),
    ("ops",),
    ("backward", "numpy_protocol"),
    ("value",),
    (
        *("functions", "losses", "numpy", "transforms", "recording", "nested", "vmap", "batching"),
        *("testing", "compiler"),
        *("flops", "expand"),  # what a graph is worth in scalars
        *("closure", "checkpoint", "custom", "scan", "debug"),  # transforms whose op carries a function; observers
    ),
    ("nn", "optim", "data"),
    ("training", "saving", "export", "sklearn", "cluster"),
    ("cli", "launch", "playground", "report", "plot", "pytest_plugin", "__main__"),
)
# These read the graph and nothing else, whatever their layer; the package itself registers `visualize` lazily.
GRAPH_ONLY = (
    *("visualize", "compiler.program", "compiler.memory", "compiler.blocks", "compiler.numpy_plan", "compiler.fusion"),
)
# Imports under `if TYPE_CHECKING` that point up: an annotation, nothing happens at run time.
ANNOTATIONS = {
    ("graph", "op"): "Node.op is an Op; the graph never calls it",
    ("graph", "visualize.drawing"): "what draw() returns; the package sets the method",
    ("graph", "visualize.explain"): "what explain() returns; the package sets the method",
    ("graph", "visualize.explorer.explorer"): "what explore() returns; the package sets the method",
}
# Derivative rules live in ops/. The exceptions, with the reason.
RULES_ELSEWHERE = {
    "op.py": "`item` selects one result of an op that returns a tuple: part of what an op is",
}
# Modules without a test file of the same name, with the reason.
TESTED_ELSEWHERE: dict[str, str] = {}
# Written for Numba to compile, and not imported where it is missing.
NEEDS_NUMBA = ("compiler.native_library", "compiler.native_windows")
COLD = ("graphviz", "matplotlib", "scipy", "sklearn", "hypothesis", "pytest", "numba", "onnx", "torch", "jax", "pandas")


class Import(NamedTuple):
    target: str  # dotted, below the package; "" for the package itself
    line: int
    late: bool  # inside a function
    typing_only: bool


def module_name(path: Path) -> str:
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


@cache
def sources() -> dict[str, Path]:
    return {module_name(path): path for path in sorted(PACKAGE.rglob("*.py"))}


@cache
def tree(module: str) -> ast.Module:
    return ast.parse(sources()[module].read_text(encoding="utf-8"))


def imports(module: str, parsed: ast.Module | None = None) -> list[Import]:
    """Imports of our own modules, absolute and relative; ``from x import y`` counts as y where y is a module."""
    found = []
    path = sources()[module]
    package = module.split(".") if path.name == "__init__.py" and module else module.split(".")[:-1]

    def add(target: list[str], names: list[str], line: int, late: bool, typing_only: bool) -> None:
        base = ".".join(target)
        for name in names:
            full = f"{base}.{name}" if base else name
            found.append(Import(full if full in sources() else base, line, late, typing_only))

    def visit(node: ast.AST, late: bool, typing_only: bool) -> None:
        if isinstance(node, ast.Import):
            for alias in node.names:
                first, *rest = alias.name.split(".")
                if first == PACKAGE.name:
                    found.append(Import(".".join(rest), node.lineno, late, typing_only))
        elif isinstance(node, ast.ImportFrom):
            names = [alias.name for alias in node.names]
            target = node.module.split(".") if node.module else []
            if node.level:
                add(package[: len(package) - node.level + 1] + target, names, node.lineno, late, typing_only)
            elif target[:1] == [PACKAGE.name]:
                add(target[1:], names, node.lineno, late, typing_only)
        elif isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            for child in node.body:
                visit(child, late, True)
            for child in node.orelse:
                visit(child, late, typing_only)
        else:
            late = late or isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda))
            for child in ast.iter_child_nodes(node):
                visit(child, late, typing_only)

    visit(parsed or tree(module), False, False)
    return found


def layer(module: str) -> int | None:
    """Height in the house: 0 at the bottom; None if the module is in no layer."""
    return next((height for height, names in enumerate(LAYERS) if module.split(".")[0] in names), None)


def below(module: str, prefixes: tuple[str, ...]) -> bool:
    return any(module == prefix or module.startswith(prefix + ".") for prefix in prefixes)


def complaints(module: str, target: str) -> str | None:
    """Say why `module` must not import `target`; None if it may."""
    if module == "":
        return None  # the package collects the public names of all its rooms
    if module.split(".")[0] == target.split(".")[0] and not below(module, GRAPH_ONLY):
        return None
    if below(module, GRAPH_ONLY):
        allowed = target == "graph" or below(target, GRAPH_ONLY)
        return None if allowed else "reads the graph: it may import `graph` only"
    mine, theirs = layer(module), layer(target)
    top = len(LAYERS) - 1
    if mine is None:
        return "is in no layer: add it to LAYERS"
    if target == "" or target.split(".")[0] == "visualize":
        return None if mine == top else f"only the tools of the top layer may import {target or 'the package itself'!r}"
    if theirs is None:
        return f"imports {target!r}, which is in no layer: add it to LAYERS"
    return None if theirs <= mine else f"imports {target!r} from a layer above"


def test_imports_point_down():
    problems = []
    for module in sources():
        for found in imports(module):
            if found.typing_only and (module, found.target) in ANNOTATIONS:
                continue
            if reason := complaints(module, found.target):
                problems.append(f"{module or '__init__'}, line {found.line}: {reason}")
    assert not problems, "\n".join(problems)


def test_every_module_has_a_layer():
    placed = [m for m in sources() if m and layer(m) is None and not below(m, GRAPH_ONLY)]
    assert not placed, f"in no layer, add to LAYERS: {placed}"


def test_annotation_exceptions_are_still_needed():
    used = {(m, found.target) for m in sources() for found in imports(m) if found.typing_only}
    assert set(ANNOTATIONS) <= used


def test_no_cycles():
    edges = {
        module: {i.target for i in imports(module) if (module, i.target) not in ANNOTATIONS} - {module}
        for module in sources()
        if module
    }
    try:
        tuple(graphlib.TopologicalSorter(edges).static_order())
    except graphlib.CycleError as error:
        pytest.fail(f"import cycle: {' → '.join(error.args[1])}")


def test_no_late_imports_of_our_own():
    problems = []
    for module in sources():
        if module == "":
            continue  # registers `visualize` on first use: the one lazy import of our own
        problems += [f"{module}, line {i.line}: {i.target!r}" for i in imports(module) if i.late]
        for node in ast.walk(tree(module)):
            if isinstance(node, ast.Call) and ast.unparse(node.func).endswith(("import_module", "__import__")):
                name = node.args[0].value if node.args and isinstance(node.args[0], ast.Constant) else ""
                if not str(name) or str(name).startswith((".", PACKAGE.name)):
                    problems.append(f"{module}, line {node.lineno}: {ast.unparse(node)}")
    assert not problems, "import at the top of the file:\n" + "\n".join(problems)


@pytest.mark.parametrize(
    ("module", "code", "fault"),
    [
        ("graph", "from .value import Value", "above"),
        ("graph", "from autograd_nn.value import Value", "above"),
        ("graph", "import autograd_nn.value", "above"),
        ("graph", "if TYPE_CHECKING:\n    from . import value", "above"),
        ("value", "from . import Value", "top layer"),
        ("ops.shape", "from ..backward import cotangents", "above"),
        ("value", "from .visualize import draw", "top layer"),
    ],
)
def test_the_import_rule_catches_planted_faults(module, code, fault):
    (found,) = imports(module, ast.parse(code))
    assert fault in (complaints(module, found.target) or "")


def test_the_import_rule_sees_late_imports():
    (found,) = imports("graph", ast.parse("def f():\n    from .value import Value"))
    assert found == Import("value", 2, True, False)


def test_each_module_has_its_test_file():
    missing = []
    for module, path in sources().items():
        if path.stem == "__main__" or module in TESTED_ELSEWHERE:
            continue
        if path.stem == "__init__":
            defined = [node.name for node in tree(module).body if isinstance(node, (ast.FunctionDef, ast.ClassDef))]
            if all(name.startswith("_") for name in defined):
                continue  # names collected from elsewhere, and how they are found
        relative = path.relative_to(PACKAGE)
        mirror = ROOT / "tests" / relative.parent / f"test_{relative.stem.strip('_')}.py"
        if not mirror.exists():
            missing.append(str(mirror.relative_to(ROOT)))
    assert not missing, "write these, or name the reason in TESTED_ELSEWHERE:\n" + "\n".join(missing)
    assert set(TESTED_ELSEWHERE) <= set(sources())


def test_derivative_rules_live_in_ops():
    problems, used = [], set()
    for module, path in sources().items():
        relative = path.relative_to(PACKAGE).as_posix()
        if relative.startswith(("ops/", "testing/")):
            continue
        for node in ast.walk(tree(module)):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "defvjp":
                used.add(relative)
                if relative not in RULES_ELSEWHERE:
                    problems.append(f"{relative}, line {node.lineno}: {ast.unparse(node.func)}")
    assert not problems, "\n".join(problems)
    assert used == set(RULES_ELSEWHERE), "exceptions that are no longer needed"


def test_no_drawers_for_everything():
    vague = {"utils", "util", "helpers", "helper", "misc", "base", "common"}
    found = [p for p in PACKAGE.rglob("*") if p.stem in vague and "__pycache__" not in p.parts]
    assert not found, f"name a file after the concept that it holds: {found}"


def test_no_assert_statements():
    found = [f"{m}, line {n.lineno}" for m in sources() for n in ast.walk(tree(m)) if isinstance(n, ast.Assert)]
    assert not found, f"raise ValueError or TypeError that say wanted, came, write instead: {found}"


# --- public names ---------------------------------------------------------------------------------------------------


def public_modules() -> list[str]:
    """Modules that users may import: all but private ones and packages that hold nothing but other modules."""
    return [
        module
        for module in sources()
        if not any(part.startswith("_") for part in module.split("."))
        and any(not isinstance(node, ast.Expr) for node in tree(module).body)
        and (module not in NEEDS_NUMBA or importlib.util.find_spec("numba") is not None)
    ]


def load(module: str) -> types.ModuleType:
    return importlib.import_module(f"{PACKAGE.name}.{module}" if module else PACKAGE.name)


def public_names(module: str) -> list[str]:
    return sorted(getattr(load(module), "__all__", ()))


def mirrors_numpy(module: str) -> bool:
    """True for the modules whose names are those of the NumPy that is installed."""
    return module in ("numpy", "numpy.linalg", "numpy.fft")


def public_api() -> str:
    lines = []
    for module in public_modules():
        if mirrors_numpy(module):
            continue
        full = f"{PACKAGE.name}.{module}" if module else PACKAGE.name
        lines += [f"{full}: {name}" for name in public_names(module)]
    return "\n".join(lines) + "\n"


def test_public_names_are_pinned():
    wanted, came = set(PINNED.read_text(encoding="utf-8").splitlines()), set(public_api().splitlines())
    left_out = tuple(f"{PACKAGE.name}.{module}: " for module in NEEDS_NUMBA if module not in public_modules())
    wanted = {line for line in wanted if not line.startswith(left_out)}
    changes = [f"+ {line}" for line in sorted(came - wanted)] + [f"- {line}" for line in sorted(wanted - came)]
    hint = "the public names changed; if on purpose: python tests/test_architecture.py, and a line in CHANGELOG.md"
    assert not changes, "\n".join([hint, *changes])


@pytest.mark.parametrize("module", public_modules())
def test_every_module_states_what_is_public(module):
    loaded = load(module)
    assert hasattr(loaded, "__all__"), "define __all__"
    assert len(set(loaded.__all__)) == len(loaded.__all__), "a name stands twice in __all__"
    assert not [name for name in loaded.__all__ if not hasattr(loaded, name)]
    assert (loaded.__doc__ or "").strip(), "say in a docstring what the module is for"


def undocumented(name: str, thing: object) -> list[str]:
    """Names under `thing` that have no documentation of their own."""
    own = inspect.getdoc(thing) if inspect.isclass(thing) or inspect.isroutine(thing) else vars(thing).get("__doc__")
    missing = []
    automatic = inspect.isclass(thing) and (own or "").startswith(f"{thing.__name__}(")
    if not (own or "").strip() or automatic:
        missing.append(name)
    if inspect.isclass(thing):
        for key, member in vars(thing).items():
            described = inspect.isroutine(member) or isinstance(member, (property, cached_property, classmethod))
            if described and not key.startswith("_") and not inspect.getdoc(getattr(thing, key)):
                missing.append(f"{name}.{key}")
    return missing


@pytest.mark.parametrize("module", public_modules())
def test_every_public_name_is_documented(module):
    missing = []
    for name in public_names(module):
        thing = getattr(load(module), name)
        ours = str(getattr(thing, "__module__", "")).startswith(PACKAGE.name)  # the documentation of NumPy's is its own
        if callable(thing) and ours:
            missing += undocumented(name, thing)
    assert not missing, f"no docstring: {missing}"


def test_the_documentation_rule_catches_planted_faults():
    class Bare:
        def method(self):
            pass

    assert undocumented("Bare", Bare) == ["Bare", "Bare.method"]
    assert undocumented("f", lambda: None) == ["f"]
    assert not undocumented("ast.parse", ast.parse)


def test_cold_import_leaves_optional_packages_alone():
    code = "import sys, autograd_nn; print(*sorted({name.split('.')[0] for name in sys.modules}))"
    loaded = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, check=True, capture_output=True, text=True
    ).stdout.split()
    assert "autograd_nn" in loaded
    assert not set(COLD) & set(loaded)


if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))
    PINNED.write_text(public_api(), encoding="utf-8")
    print(f"wrote {PINNED.relative_to(ROOT)}: {len(public_api().splitlines())} names")
