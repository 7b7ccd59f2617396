"""The package's structure: imports point downwards, and nothing imports in a circle."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

import fastexplain

PACKAGE = Path(fastexplain.__file__).parent
# From the bottom up: a module may import from its own layer and from those before it, as docs/architecture.md shows.
LAYERS = (
    ("_files", "_former_paths", "_lazy", "_optional", "_threads", "exceptions", "_core"),
    ("rows",),
    ("models",),
    ("engine",),
    ("explanation",),
    ("explainers",),
    ("store", "scoring"),
    ("compat",),
    ("dashboard", "serving", "batch", "monitoring"),
    ("cli", "__main__"),
)
RANKS = {name: rank for rank, layer in enumerate(LAYERS) for name in layer}


def modules() -> dict[str, Path]:
    """Dotted names of all modules below the package, without "fastexplain."; packages by their own name."""
    found = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = path.relative_to(PACKAGE).with_suffix("").parts
        name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
        if name:
            found[name] = path
    return found


def imports(path: Path, deferred: bool) -> Iterator[str]:
    """What a file imports of the package when it is imported; with `deferred`, also what its functions import."""
    stack: list[ast.AST] = [ast.parse(path.read_text())]
    while stack:
        for node in ast.iter_child_nodes(stack.pop()):
            if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test):
                continue
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and not deferred:
                continue
            if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "fastexplain":
                yield from (f"{node.module}.{alias.name}" for alias in node.names)
            elif isinstance(node, ast.Import):
                yield from (alias.name for alias in node.names if alias.name.startswith("fastexplain."))
            else:
                stack.append(node)


def graph(deferred: bool = False) -> dict[str, set[str]]:
    """Module -> the modules it imports. Importing a module also imports the packages around it."""
    known = modules()
    edges: dict[str, set[str]] = {}
    for name, path in known.items():
        found = set()
        for target in imports(path, deferred):
            parts = target.split(".")[1:]
            module = next((".".join(parts[:n]) for n in range(len(parts), 0, -1) if ".".join(parts[:n]) in known), None)
            if module is None:  # the package itself, or the compiled core
                continue
            parents = {".".join(module.split(".")[:n]) for n in range(1, module.count(".") + 1)}
            found |= {module} | {p for p in parents if not (name == p or name.startswith(f"{p}."))}
        edges[name] = found - {name}
    return edges


def test_every_module_has_a_layer() -> None:
    assert not {name for name in modules() if name.split(".")[0] not in RANKS}


def test_imports_point_downwards() -> None:
    upwards = [
        f"{name} -> {target}"
        for name, targets in graph(deferred=True).items()
        for target in sorted(targets)
        if RANKS[target.split(".")[0]] > RANKS[name.split(".")[0]]
    ]
    assert not upwards


def refuse_circles(edges: dict[str, set[str]]) -> None:
    try:
        TopologicalSorter(edges).prepare()
    except CycleError as error:
        pytest.fail(" -> ".join(error.args[1]))


def test_nothing_imports_in_a_circle() -> None:
    refuse_circles(graph())


def test_imports_within_functions_make_no_circle_either() -> None:
    # Explanation objects hand over to files, plots and other kinds of explanation by their methods, which know them.
    edges = graph(deferred=True)
    elsewhere = {name for name in edges if not name.startswith("explanation")}
    refuse_circles({name: edges[name] & elsewhere for name in elsewhere})
