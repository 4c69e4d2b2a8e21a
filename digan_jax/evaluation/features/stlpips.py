"""ST-LPIPS: LPIPS on an AlexNet that tolerates small shifts (Ghildyal and Liu, ECCV 2022, arXiv 2207.13686).

Weights come from the PyPI package stlpips_pytorch, read as data. Each downsampling is a [1, 2, 1]/4 low-pass filter
with reflection padding of 2 and stride 2 (Zhang 2019, arXiv 1904.11486); the first convolution has stride 1. The
distance is that of LPIPS.
"""

from __future__ import annotations

import functools

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Float

from digan_jax.evaluation.features import lpips
from digan_jax.host.pickles.restricted import read_torch
from digan_jax.pretrained import packaged
from digan_jax.shapes import Array

SOURCE = packaged.PackagedFile(
    "stlpips_pytorch",
    "0.0.2",
    "stlpips_pytorch/weights/vST0.0/alex_shift_tolerant.pth",
    "b356b382f96010f77d085ee8343ecd9fd322d0a56e8de2b2d0549fafcad8b9ee",
)
MIN_SIZE = 32  # pixels a side; smaller frames are too small for the last filter's reflection padding
_CONVOLUTIONS = ["net.slice1.0", "net.slice2.5", "net.slice3.9", "net.slice4.11", "net.slice5.13"]  # in the state dict


@functools.cache
def load() -> dict:
    """Weights in the layout of `lpips.assemble`.

    Raises:
      InputError: the package is missing or its file is unknown.
    """
    path = SOURCE.path()
    state = read_torch(path)
    scaling = {key: state[f"scaling_layer.{key}"] for key in ("shift", "scale")}
    return lpips.assemble(state, _CONVOLUTIONS, scaling, path, "ST-LPIPS")


def _halved(x: Float[Array, "n h w c"]) -> Float[Array, "n _ _ c"]:
    """Low-pass filter and stride 2, one axis at a time."""
    for axis in (1, 2):
        padded = jnp.pad(x, [(2, 2) if a == axis else (0, 0) for a in range(4)], mode="reflect")
        outputs = (padded.shape[axis] - 3) // 2 + 1
        taps = [lax.slice_in_dim(padded, k, k + 2 * outputs - 1, 2, axis) for k in range(3)]
        x = (taps[0] + 2 * taps[1] + taps[2]) / 4
    return x


def features(weights: dict, frames: Float[Array, "n h w 3"]) -> list[Float[Array, "n _ _ _"]]:
    """Features of the five layers; frames in [-1, 1], 32 pixels a side or more."""
    x, layers = lpips.scaled(weights, frames), []
    for number, (padding, layer) in enumerate(zip(lpips.PADDINGS, weights["layers"], strict=True)):
        if number in lpips.POOLED:
            x = _halved(lpips.max_pool(x, 1))
        x = lpips.convolution(x, layer, padding)
        x = jax.nn.relu(_halved(x) if number == 0 else x)
        layers.append(x)
    return layers


@jax.jit
def distance(weights: dict, a: Float[Array, "n h w 3"], b: Float[Array, "n h w 3"]) -> Float[Array, "n"]:
    """ST-LPIPS of frames in [-1, 1], 32 pixels a side or more; 0 for equal frames."""
    return lpips.of_features(features, weights, a, b)
