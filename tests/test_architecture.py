"""The folders are the architecture: imports run one way, and the core is pure."""

from __future__ import annotations

import ast
import sys
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[1] / "src" / "partfill"
LAYERS = {"model": 0, "core": 1, "journal": 2, "venues": 2, "runtime": 3, "service": 4, "cli": 5}
"""A module imports its own layer or lower ones; journal and venues do not know each other."""
IMPURE = frozenset(
    [
        *("asyncio", "concurrent", "contextvars", "datetime", "io", "logging", "multiprocessing", "os", "pathlib", "random"),
        *("secrets", "select", "shutil", "signal", "socket", "sqlite3", "subprocess", "sys", "tempfile", "threading", "time"),
        *("uuid", "zoneinfo"),
    ]
)
"""Clock, randomness, I/O: modules that the core and the model may not import."""
MODULES = sorted(SOURCE.rglob("*.py"))


def imports(path: Path) -> set[str]:
    """Every module that a file imports, in full."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module is not None:
            assert node.level == 0, f"{path}: relative imports hide the layer"
            found |= {f"{node.module}.{alias.name}" for alias in node.names} | {node.module}
    return found


def layer(path: Path) -> str:
    return path.relative_to(SOURCE).parts[0]


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(SOURCE)))
def test_imports_run_one_way(path: Path) -> None:
    own = layer(path)
    if own not in LAYERS:
        # partfill/__init__.py is the public face; sim has its own rule below.
        return
    for name in imports(path):
        parts = name.split(".")
        if parts[0] != "partfill" or len(parts) < 2 or parts[1] not in LAYERS:
            continue
        other = parts[1]
        assert other == own or LAYERS[other] < LAYERS[own], f"{own} imports {name}"


SIM_ALSO = {"tables.py": "journal", "wire.py": "venues"}
"""What single modules of the simulator use besides: the one that restarts from tables, and the one that decodes messages."""


def test_the_simulator_uses_core_and_model_only() -> None:
    for path in MODULES:
        if layer(path) == "sim":
            allowed = {"model", "core", "sim", SIM_ALSO.get(path.name, "sim")}
            for name in imports(path):
                parts = name.split(".")
                assert parts[0] != "partfill" or len(parts) < 2 or parts[1] in allowed, f"{path}: {name}"


def test_the_core_imports_only_the_standard_library_and_the_model() -> None:
    checked = 0
    for path in MODULES:
        if layer(path) != "core":
            continue
        checked += 1
        for name in imports(path):
            top = name.split(".")[0]
            assert top == "partfill" or top in sys.stdlib_module_names, f"{path.name} imports {name}"
    assert checked > 5


def test_core_and_model_know_no_clock_no_randomness_and_no_files() -> None:
    for path in MODULES:
        if layer(path) in {"core", "model"}:
            for name in imports(path):
                assert name.split(".")[0] not in IMPURE, f"{path.name} imports {name}"


def test_no_float_near_quantities_and_prices() -> None:
    for path in MODULES:
        if layer(path) in {"core", "model", "venues"}:
            calls = [node for node in ast.walk(ast.parse(path.read_text("utf-8"))) if isinstance(node, ast.Call)]
            named = [call.func.id for call in calls if isinstance(call.func, ast.Name)]
            assert "float" not in named, f"{path} calls float()"


def test_no_file_is_a_crowd() -> None:
    for path in MODULES:
        lines = len(path.read_text("utf-8").splitlines())
        assert lines <= 500, f"{path.relative_to(SOURCE)} has {lines} lines; a room has one purpose"


def test_every_module_says_what_it_is_for() -> None:
    for path in MODULES:
        tree = ast.parse(path.read_text("utf-8"))
        if tree.body:
            assert ast.get_docstring(tree), f"{path.relative_to(SOURCE)} opens without saying what it is for"


def test_public_functions_and_classes_have_docstrings() -> None:
    missing = []
    for path in MODULES:
        for node in ast.parse(path.read_text("utf-8")).body:
            if (
                isinstance(node, ast.FunctionDef | ast.ClassDef)
                and not node.name.startswith("_")
                and not ast.get_docstring(node)
            ):
                missing.append(f"{path.relative_to(SOURCE)}: {node.name}")
    assert not missing
