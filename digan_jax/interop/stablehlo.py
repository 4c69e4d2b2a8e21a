"""The generator as StableHLO programs of `jax.export`, which run on jax alone: any batch, any frame count, any picture.

Three programs, each with the weights (a flat dict, as model.safetensors holds them) as its first argument:
  mapping  weights, z [b z], (one-hot label [b classes],) truncation [] -> content [b layers w]
  smooth   weights, content, motion [b m], times [b t], x [w], y [h] -> frames [b t h w 3]; x and y are pixel centres
  native   weights, content, motion [b m], times [b t] -> frames [b t R R 3], the trained pyramid
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import jax
import jax.numpy as jnp
import numpy as np
from etils import epath
from jax import export

from digan_jax import coords, networks
from digan_jax.config import ModelConfig
from digan_jax.interop.weights import Weights, leaves
from digan_jax.shapes import Latents, Params

PLATFORMS = ("cpu", "cuda", "rocm", "tpu")


def write(folder: epath.Path, weights: Weights) -> dict:
    """Writes mapping.stablehlo, smooth.stablehlo and native.stablehlo; returns what config.json says of them."""
    programs = exported(weights.config, weights.params, weights.compute_dtype)
    for name, (program, _) in programs.items():
        (folder / f"{name}.stablehlo").write_bytes(bytes(program.serialize()))
    return {
        "stablehlo": {
            "calling_convention": programs["mapping"][0].calling_convention_version,
            "jax": jax.__version__,
            "platforms": list(PLATFORMS),
            "programs": {name: takes for name, (_, takes) in programs.items()},
        }
    }


def exported(config: ModelConfig, params: Params, compute_dtype: str = "float32") -> dict:
    """{name: (jax.export.Exported, what it takes and gives, in words)}; b, t, h and w are symbolic."""
    functions = _functions(config, compute_dtype)
    like = {name: jax.ShapeDtypeStruct(value.shape, value.dtype) for name, value in leaves(params)}
    b, t, h, w = export.symbolic_shape("b, t, h, w")
    c, layers = config, networks.build(config).generator.n_layers
    label = {"label": (b, c.n_classes)} if c.n_classes else {}
    latents = {"content": (b, layers, c.w_dim), "motion": (b, c.motion_dim), "times": (b, t)}
    inputs = {
        "mapping": {"z": (b, c.z_dim), **label, "truncation": ()},
        "smooth": {**latents, "x": (w,), "y": (h,)},
        "native": latents,
    }
    results = {}
    for name, shapes in inputs.items():
        arguments = [jax.ShapeDtypeStruct(shape, jnp.float32) for shape in shapes.values()]
        with _no_folders_in_locations():
            program = export.export(jax.jit(functions[name]), platforms=PLATFORMS)(like, *arguments)
        takes = {"weights": "model.safetensors", **{key: _words(shape) for key, shape in shapes.items()}}
        results[name] = program, {"takes": takes, "gives": _words(program.out_avals[0].shape)}
    return results


@contextlib.contextmanager
def _no_folders_in_locations() -> Iterator[None]:
    """Each operation of a program says which line of which file it is from; where that file lies is nobody's business."""
    name = "jax_hlo_source_file_canonicalization_regex"
    before = getattr(jax.config, name)
    jax.config.update(name, "^.*[/\\\\]")
    try:
        yield
    finally:
        jax.config.update(name, before)


def _words(shape) -> str:
    return " ".join(map(str, shape))


def _functions(config: ModelConfig, compute_dtype: str) -> dict:
    nets = networks.build(config, compute_dtype)
    pyramid = coords.pyramid(config.resolution)

    def mapping(weights, z, *rest):
        *label, truncation = rest
        params = nested(weights)
        w = nets.generator.mapping(params, z, *label)
        w_avg = params["w_avg"][None]
        return networks.repeat_content(w_avg + truncation * (w - w_avg), nets.generator.n_layers)

    def smooth(weights, content, motion, times, x, y):
        # The node of a pixel centred at (X, Y) is (X - 1/r, Y - 1/r) on the level of resolution r.
        levels = tuple(coords.Level(x - np.float32(1 / r), y - np.float32(1 / r), repeat=1) for r in pyramid)
        return nets.generator.synthesis(nested(weights), Latents(content, motion), times, coords.Grid(levels))

    def native(weights, content, motion, times):
        grid = coords.native(config.resolution)
        return nets.generator.synthesis(nested(weights), Latents(content, motion), times, grid)

    return {"mapping": mapping, "smooth": smooth, "native": native}


def nested(flat: dict) -> Params:
    """{"a.b": x} as {"a": {"b": x}}: the inverse of `weights.leaves`."""
    tree: Params = {}
    for name, value in flat.items():
        *path, last = name.split(".")
        node = tree
        for key in path:
            node = node.setdefault(key, {})
        node[last] = value
    return tree
