"""Imports run one way, pure files import no I/O, and only `networks` knows flax."""

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "digan_jax"
FILES = sorted(p.relative_to(PACKAGE).as_posix() for p in PACKAGE.rglob("*.py"))

# Lowest first; a file may import from its own layer and from those before it.
LAYERS = [
    {"errors.py", "shapes.py", "rng.py", "config.py", "training/__init__.py", "rendering/__init__.py",
     "data/__init__.py"},
    {"coords.py"},
    {"networks/"},
    {
        "training/losses.py", "training/augment.py", "training/state.py", "training/mesh.py", "training/steps.py",
        "data/clips.py", "rendering/latents.py", "rendering/generate.py", "rendering/tiles.py",
        "evaluation/frechet.py", "evaluation/protocols.py", "evaluation/motion.py", "evaluation/coverage.py",
        "evaluation/resizing.py", "evaluation/fidelity.py", "evaluation/inception_score.py",
        "rendering/timeline.py", "rendering/walks.py", "rendering/estimate.py", "rendering/one_by_one.py",
    },
    {"logs.py", "training/", "data/", "rendering/", "evaluation/", "interop/"},
    {"config_files.py"},
    {"benchmark/", "__init__.py"},
    {"verbs/"},
    {"cli.py", "__main__.py"},
]  # fmt: skip
PURE = {f for layer in LAYERS[:4] for f in layer}
IO = {"os", "shutil", "orbax", "tensorflow_datasets", "absl", "av", "etils", "grain", "subprocess", "pathlib"}


def layer_of(file: str) -> int:
    exact = [i for i, layer in enumerate(LAYERS) if file in layer]
    if exact:
        return exact[0]
    return next(i for i, layer in enumerate(LAYERS) if any(name.endswith("/") and file.startswith(name) for name in layer))


def imports(file: str) -> set[str]:
    """Dotted names that a file imports when it is itself imported (not inside functions)."""
    found = set()
    for node in ast.parse((PACKAGE / file).read_text()).body:
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def file_of(module: str) -> str | None:
    path = module.removeprefix("digan_jax").strip(".").replace(".", "/")
    return next((f for f in (f"{path}.py", f"{path}/__init__.py") if path and f in FILES), None)


@pytest.mark.parametrize("file", FILES)
def test_imports_run_one_way(file):
    for module in imports(file):
        if module.startswith("digan_jax") and (target := file_of(module)):
            assert layer_of(target) <= layer_of(file), f"{file} imports {target}, which stands above it"


@pytest.mark.parametrize("file", [f for f in FILES if layer_of(f) < 4])
def test_pure_files_import_no_io(file):
    assert not {module.split(".")[0] for module in imports(file)} & IO


@pytest.mark.parametrize("file", [f for f in FILES if not f.startswith("networks/")])
def test_only_networks_knows_flax(file):
    assert not any(module.split(".")[0] == "flax" for module in imports(file))


@pytest.mark.parametrize("file", FILES)
def test_files_stay_under_400_lines(file):
    assert len((PACKAGE / file).read_text().splitlines()) <= 400
