"""ST-LPIPS: LPIPS on an AlexNet that small shifts leave alone (Ghildyal and Liu, ECCV 2022, arXiv 2207.13686). Weights
out of the PyPI package stlpips_pytorch, read as data.

Each halving is a [1, 2, 1]/4 low-pass filter with reflected borders of 2 and stride 2 (Zhang 2019, arXiv 1904.11486); the
first convolution has stride 1. The distance is that of LPIPS.
"""

from __future__ import annotations

import functools

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Float

from digan_jax.evaluation.features import lpips, packaged
from digan_jax.host.pickles.restricted import read_torch
from digan_jax.shapes import Array

SOURCE = packaged.PackagedFile(
    "stlpips_pytorch",
    "0.0.2",
    "stlpips_pytorch/weights/vST0.0/alex_shift_tolerant.pth",
    "b356b382f96010f77d085ee8343ecd9fd322d0a56e8de2b2d0549fafcad8b9ee",
)
MIN_SIZE = 32  # pixels a side: below, the reflected borders of the last filter are wider than what they border
_CONVOLUTIONS = ["net.slice1.0", "net.slice2.5", "net.slice3.9", "net.slice4.11", "net.slice5.13"]  # in the state dict


@functools.cache
def load() -> dict:
    """As `lpips.assemble` gives it.

    Raises:
      InputError: the package is missing or its file is not the known one.
    """
    path = SOURCE.path()
    state = read_torch(path)
    scaling = {key: state[f"scaling_layer.{key}"] for key in ("shift", "scale")}
    return lpips.assemble(state, _CONVOLUTIONS, scaling, path, "ST-LPIPS")


def _halved(x: Float[Array, "n h w c"]) -> Float[Array, "n _ _ c"]:
    """Low-pass filter, stride 2, an axis at a time."""
    for axis in (1, 2):
        padded = jnp.pad(x, [(2, 2) if a == axis else (0, 0) for a in range(4)], mode="reflect")
        outputs = (padded.shape[axis] - 3) // 2 + 1
        taps = [lax.slice_in_dim(padded, k, k + 2 * outputs - 1, 2, axis) for k in range(3)]
        x = (taps[0] + 2 * taps[1] + taps[2]) / 4
    return x


def features(weights: dict, frames: Float[Array, "n h w 3"]) -> list[Float[Array, "n _ _ _"]]:
    """Of the five layers, of frames in [-1, 1]."""
    x, found = lpips.scaled(weights, frames), []
    for number, (padding, layer) in enumerate(zip(lpips.PADDINGS, weights["layers"], strict=True)):
        if number in lpips.POOLED:
            x = _halved(lpips.max_pool(x, 1))
        x = lpips.convolution(x, layer, padding)
        x = jax.nn.relu(_halved(x) if number == 0 else x)
        found.append(x)
    return found


@jax.jit
def distance(weights: dict, a: Float[Array, "n h w 3"], b: Float[Array, "n h w 3"]) -> Float[Array, "n"]:
    """ST-LPIPS of frames in [-1, 1], of 32 pixels a side or more; 0 for equal ones."""
    return lpips.of_features(features, weights, a, b)
