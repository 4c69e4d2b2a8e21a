"""Imports run one way (import-linter reads the contracts in pyproject.toml), pure files import no I/O, files stay short."""

import ast
import re
from pathlib import Path

import pytest
from importlinter import cli

CHECKOUT = Path(__file__).parent.parent
PACKAGE = CHECKOUT / "digan_jax"
FILES = sorted(p.relative_to(PACKAGE).as_posix() for p in PACKAGE.rglob("*.py"))
PURE = ("errors.py", "shapes.py", "rng.py", "grids.py", "kernels/", "models/", "evaluation/metrics/")
IO = {"os", "shutil", "orbax", "tensorflow_datasets", "absl", "av", "etils", "grain", "subprocess", "pathlib"}
VARIABLE = "kernels/__init__.py"  # reads DIGAN_KERNELS, and may import os for it
LINES, FUNCTION_LINES = 400, 60


def test_imports_run_down_the_rooms_and_in_no_circle():
    assert cli.lint_imports(str(CHECKOUT / "pyproject.toml"), no_cache=True) == cli.EXIT_STATUS_SUCCESS


def imports(file: str) -> set[str]:
    """First words of the modules that a file imports, inside functions too."""
    found = set()
    for node in ast.walk(ast.parse((PACKAGE / file).read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found.add(node.module.split(".")[0])
    return found


@pytest.mark.parametrize("file", [f for f in FILES if f.startswith(PURE) and f != VARIABLE])
def test_pure_files_import_no_io(file):
    assert not imports(file) & IO


def test_only_models_know_flax():
    assert {f for f in FILES if "flax" in imports(f) and not f.startswith("models/")} == set()


def test_files_and_functions_stay_short():
    long = [f for f in FILES if len((PACKAGE / f).read_text().splitlines()) > LINES]
    for file in FILES:
        for node in ast.walk(ast.parse((PACKAGE / file).read_text())):
            if isinstance(node, ast.FunctionDef) and node.end_lineno - node.lineno >= FUNCTION_LINES:
                long.append(f"{file}:{node.name}")
    assert long == []


def test_durations_are_measured_by_a_clock_that_never_goes_back():
    """Wall clocks jump: only dates are theirs, leases that machines share, and the age of files."""
    wall = re.compile(r"time\.(time|localtime|gmtime|ctime)\(|datetime\.(now|today|utcnow)\(|getmtime|st_mtime")
    found = {str(file): wall.findall((PACKAGE / file).read_text()) for file in FILES}
    assert {file for file, calls in found.items() if calls} == {"jobs/evaluate.py", "host/locks.py", "data/catalogue.py"}
