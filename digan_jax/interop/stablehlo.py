"""The functions of `programs` as StableHLO files, which run with `jax.export` and no other code.

Batch size, frame count and frame size are free; the weights are an argument.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import jax
import jax.numpy as jnp
from etils import epath
from jax import export

from digan_jax.host import signals
from digan_jax.interop import programs
from digan_jax.runs.weights import Weights
from digan_jax.shapes import leaves

PLATFORMS = ("cpu", "cuda", "rocm", "tpu")


def write(folder: epath.PathLike, weights: Weights) -> dict:
    """Writes mapping.stablehlo, smooth.stablehlo and native.stablehlo; returns their entry for config.json."""
    made = exported(weights)
    for name, program in made.items():
        (epath.Path(folder) / f"{name}.stablehlo").write_bytes(bytes(program.serialize()))
    return {
        "stablehlo": {
            "calling_convention": made["mapping"].calling_convention_version,
            "jax": jax.__version__,
            "platforms": list(PLATFORMS),
            "programs": programs.described(weights.config),
        }
    }


def exported(weights: Weights) -> dict[str, export.Exported]:
    """The exported functions by name, with symbolic dimensions b, t, h and w."""
    functions = programs.functions(weights.config, weights.compute_dtype)
    like = {name: jax.ShapeDtypeStruct(value.shape, value.dtype) for name, value in leaves(weights.params).items()}
    made = {}
    for name, shapes in programs.inputs(weights.config).items():
        scope = export.SymbolicScope()
        symbolic = (export.symbolic_shape(", ".join(map(str, shape)), scope=scope) for shape in shapes.values())
        arguments = [jax.ShapeDtypeStruct(shape, jnp.float32) for shape in symbolic]
        with _no_folders_in_locations(), signals.held():  # the interpreter would end with MLIR's objects half made
            made[name] = export.export(jax.jit(functions[name]), platforms=PLATFORMS)(like, *arguments)
    return made


@contextlib.contextmanager
def _no_folders_in_locations() -> Iterator[None]:
    """Removes local folders from the source locations (file and line) that JAX records for each operation."""
    name = "jax_hlo_source_file_canonicalization_regex"
    before = getattr(jax.config, name)
    jax.config.update(name, "^.*[/\\\\]")
    try:
        yield
    finally:
        jax.config.update(name, before)
