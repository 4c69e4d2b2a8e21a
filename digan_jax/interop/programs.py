"""The generator as three functions of arrays, for export. The first argument is the flat dict of model.safetensors:

  mapping  weights, z [b z], (one-hot label [b classes],) truncation [] -> content [b layers w]
  smooth   weights, content, motion [b m], times [b t], x [w], y [h] -> frames [b t h w 3]; x, y: pixel centres
  native   weights, content, motion [b m], times [b t] -> frames [b t R R 3], the trained pyramid
"""

from __future__ import annotations

from collections.abc import Callable

from digan_jax import grids
from digan_jax.config import ModelConfig
from digan_jax.errors import InputError
from digan_jax.models.digan import networks
from digan_jax.rendering.latents import truncated
from digan_jax.shapes import Latents, nested

RESULTS = {"mapping": "content", "smooth": "frames", "native": "frames"}


def inputs(config: ModelConfig) -> dict[str, dict[str, tuple[str | int, ...]]]:
    """{function: {argument: shape}} without the weights; a letter is a free dimension.

    Raises:
      InputError: the model takes a condition.
    """
    if config.condition_planes:
        raise InputError("programs of models that take a condition are not written; export without them (safetensors).")
    c, layers = config, networks.build(config).generator.n_layers
    label = {"label": ("b", c.n_classes)} if c.n_classes else {}
    latents = {"content": ("b", layers, c.w_dim), "motion": ("b", c.motion_dim), "times": ("b", "t")}
    return {
        "mapping": {"z": ("b", c.z_dim), **label, "truncation": ()},
        "smooth": {**latents, "x": ("w",), "y": ("h",)},
        "native": latents,
    }


def functions(config: ModelConfig, compute_dtype: str = "float32") -> dict[str, Callable]:
    """The three functions by name."""
    nets = networks.build(config, compute_dtype)

    def mapping(weights, z, *rest):
        *label, truncation = rest
        params = nested(weights)
        w = truncated(nets.generator.mapping(params, z, *label), params["w_avg"], truncation)
        return networks.repeat_content(w, nets.generator.n_layers)

    def smooth(weights, content, motion, times, x, y):
        grid = grids.at_centres(config.resolution, x, y, config.base)
        return nets.generator.synthesis(nested(weights), Latents(content, motion), times, grid)

    def native(weights, content, motion, times):
        grid = grids.native(config.resolution, config.base)
        return nets.generator.synthesis(nested(weights), Latents(content, motion), times, grid)

    return {"mapping": mapping, "smooth": smooth, "native": native}


def described(config: ModelConfig) -> dict[str, dict]:
    """Inputs and outputs of each function, for config.json; shapes such as "b t h w 3"."""
    words = lambda shape: " ".join(map(str, shape))
    r, layers = config.resolution, networks.build(config).generator.n_layers
    gives = {"mapping": ("b", layers, config.w_dim), "smooth": ("b", "t", "h", "w", 3), "native": ("b", "t", r, r, 3)}
    takes = {name: {key: words(shape) for key, shape in shapes.items()} for name, shapes in inputs(config).items()}
    return {name: {"takes": takes[name], "gives": {RESULTS[name]: words(shape)}} for name, shape in gives.items()}
