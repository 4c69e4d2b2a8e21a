"""Converts VIDM's weights between the release's state dicts and our nested dicts, losslessly in both directions.

The release's names are flat ("unet.input_blocks.3.0.in_layers.2.weight"); ours are nested, and write "_" for a dot
within the names of a block. Its convolutions are [o i k k], ours [k k i o]; 1×1 ones of attention and shortcuts are
[o i 1] and [o i 1 1] there. The content model has no prefix there; κ is "input.input" [1 3 R R].
"""

from __future__ import annotations

import re
from collections.abc import Mapping

import jax
import numpy as np

from digan_jax.config.vidm import VidmConfig
from digan_jax.interop.state_dicts import fitted, renamed
from digan_jax.models.vidm import networks
from digan_jax.shapes import Params, leaves

_OURS = (  # the release's names -> ours
    (r"\b(input|output)_blocks\.(\d+)", r"\1_blocks_\2"),
    (r"\b(in|out)_layers\.(\d)", r"\1_layers_\2"),
    (r"\bemb_layers\.(\d)", r"emb_layers_\1"),
    (r"\blinear_1\.(\d)", r"linear_1_\1"),
    (r"\bout_rest\.(\d)", r"out_rest_\1"),
    (r"(^|\.)out\.(\d)", r"\1out_\2"),
)
_RELEASED = (  # our names -> the release's
    (r"\b(input|output)_blocks_(\d+)", r"\1_blocks.\2"),
    (r"\b(in|out)_layers_(\d)", r"\1_layers.\2"),
    (r"\bemb_layers_(\d)", r"emb_layers.\1"),
    (r"\blinear_1_(\d)", r"linear_1.\1"),
    (r"\bout_rest_(\d)", r"out_rest.\1"),
    (r"\bout_(\d)\.", r"out.\1."),
)
_NO_WEIGHTS = re.compile(r"(^|\.)coords$|^spynet\.")  # buffers, and the release's flow network
_KAPPA = "input.input"
_OWN = ("dt_embed.", "input.")  # what lies beside the content model's U-Net


def motion_params(state: Mapping[str, np.ndarray], model: VidmConfig) -> Params:
    """A motion model's parameters {"encoder", "unet"}, float32, from the release's state dict.

    Raises:
      InputError: a weight that is missing, unknown, of another shape or not finite; names it.
    """
    return _tree(state, networks.build(model).motion.init, lambda name: name)


def content_params(state: Mapping[str, np.ndarray], model: VidmConfig) -> Params:
    """A content model's parameters {"dt_embed", "input", "unet"}, float32, from a state dict.

    Raises as `motion_params`.
    """
    return _tree(
        state, networks.build(model).content.init, lambda name: name if name.startswith(_OWN) else f"unet.{name}"
    )


def motion_state(params: Params) -> dict[str, np.ndarray]:
    """The release's state dict of a motion model; the inverse of `motion_params`."""
    return {renamed(name, _RELEASED): _released(name, value) for name, value in leaves(params).items()}


def content_state(params: Params) -> dict[str, np.ndarray]:
    """The release's state dict of a content model; the inverse of `content_params`."""
    return {name.removeprefix("unet."): value for name, value in motion_state(params).items()}


def _tree(state: Mapping[str, np.ndarray], init, placed) -> Params:
    expected = {name: leaf.shape for name, leaf in leaves(jax.eval_shape(init, jax.random.key(0))).items()}
    plain = {name.removeprefix("module."): value for name, value in state.items()}
    found = {
        renamed(placed(name), _OURS): (name, value) for name, value in plain.items() if not _NO_WEIGHTS.search(name)
    }
    fields = "model.width, model.multipliers, model.blocks, model.attention and model.motion_input"
    return fitted(found, expected, _RELEASED, _ours, fields)


def _ours(name: str, value: np.ndarray) -> np.ndarray:
    if name == _KAPPA:
        return value[0].transpose(1, 2, 0)
    if value.ndim == 4:
        return value.transpose(2, 3, 1, 0)
    return value[..., 0] if value.ndim == 3 else value


def _released(name: str, value) -> np.ndarray:
    value = np.asarray(value)
    if name == _KAPPA:
        return np.ascontiguousarray(value.transpose(2, 0, 1)[None])
    if value.ndim == 4:
        return np.ascontiguousarray(value.transpose(3, 2, 0, 1))
    return value[..., None] if re.search(r"\.(qkv|proj_out)\.weight$", name) else value
