"""ST-LPIPS: LPIPS on an AlexNet that small shifts leave alone (Ghildyal and Liu, ECCV 2022, arXiv 2207.13686; LPIPS:
Zhang et al., CVPR 2018). Weights out of the PyPI package stlpips_pytorch, read as data.

Each halving is a [1, 2, 1]/4 low-pass filter with reflected borders of 2 and stride 2 (Zhang 2019, arXiv 1904.11486); the
first convolution has stride 1. The distance: features of five layers, scaled to unit length along channels, squared
differences weighted by channel, mean over pixels, sum over layers.
"""

from __future__ import annotations

import functools

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Float

from digan_jax.errors import InputError
from digan_jax.evaluation.features import packaged
from digan_jax.interop.restricted_pickle import read_torch
from digan_jax.shapes import Array

SOURCE = packaged.PackagedFile(
    "stlpips_pytorch",
    "0.0.2",
    "stlpips_pytorch/weights/vST0.0/alex_shift_tolerant.pth",
    "b356b382f96010f77d085ee8343ecd9fd322d0a56e8de2b2d0549fafcad8b9ee",
)
MIN_SIZE = 32  # pixels a side: below, the reflected borders of the last filter are wider than what they border

# Name in the state dict and shape [o i h w] of each convolution; padding; what comes before it.
_LAYERS = [
    ("net.slice1.0", (64, 3, 11, 11), 2, ""),
    ("net.slice2.5", (192, 64, 5, 5), 2, "pool"),
    ("net.slice3.9", (384, 192, 3, 3), 1, "pool"),
    ("net.slice4.11", (256, 384, 3, 3), 1, ""),
    ("net.slice5.13", (256, 256, 3, 3), 1, ""),
]


@functools.cache
def load() -> dict:
    """{"layers": [{"kernel", "bias", "weight" of each channel}], "shift" [3], "scale" [3]}.

    Raises:
      InputError: the package is missing or its file is not the known one.
    """
    path = SOURCE.path()
    state = read_torch(path)
    layers = []
    for number, (name, shape, *_) in enumerate(_LAYERS):
        kernel, weight = state[f"{name}.weight"], state[f"lin{number}.model.1.weight"]
        if kernel.shape != shape or weight.shape != (1, shape[0], 1, 1):
            raise InputError(f"{path}: layer {name} has shape {kernel.shape}, not {shape}.")
        moved = np.moveaxis(kernel, (0, 1), (3, 2))  # [o i h w] -> [h w i o]
        layers.append({"kernel": moved, "bias": state[f"{name}.bias"], "weight": weight.ravel()})
    scaling = {key: state[f"scaling_layer.{key}"].ravel() for key in ("shift", "scale")}
    return jax.tree.map(jnp.asarray, {"layers": layers, **scaling})


def _halved(x: Float[Array, "n h w c"]) -> Float[Array, "n _ _ c"]:
    """Low-pass filter, stride 2, an axis at a time."""
    for axis in (1, 2):
        padded = jnp.pad(x, [(2, 2) if a == axis else (0, 0) for a in range(4)], mode="reflect")
        outputs = (padded.shape[axis] - 3) // 2 + 1
        taps = [lax.slice_in_dim(padded, k, k + 2 * outputs - 1, 2, axis) for k in range(3)]
        x = (taps[0] + 2 * taps[1] + taps[2]) / 4
    return x


def _max_pool(x: Float[Array, "n h w c"]) -> Float[Array, "n _ _ c"]:
    return lax.reduce_window(x, -jnp.inf, lax.max, (1, 3, 3, 1), (1, 1, 1, 1), "VALID")


def features(weights: dict, frames: Float[Array, "n h w 3"]) -> list[Float[Array, "n _ _ _"]]:
    """Of the five layers, of frames in [-1, 1]."""
    over = lambda name: weights[name].reshape(1, 1, 1, 3)
    x, found = (frames - over("shift")) / over("scale"), []
    for number, ((_, _, padding, before), layer) in enumerate(zip(_LAYERS, weights["layers"], strict=True)):
        if before == "pool":
            x = _halved(_max_pool(x))
        x = lax.conv_general_dilated(
            x, layer["kernel"], (1, 1), [(padding, padding)] * 2, dimension_numbers=("NHWC", "HWIO", "NHWC")
        )
        x = x + layer["bias"].reshape(1, 1, 1, -1)
        x = jax.nn.relu(_halved(x) if number == 0 else x)
        found.append(x)
    return found


@jax.jit
def distance(weights: dict, a: Float[Array, "n h w 3"], b: Float[Array, "n h w 3"]) -> Float[Array, "n"]:
    """ST-LPIPS of frames in [-1, 1], of 32 pixels a side or more; 0 for equal ones."""
    with jax.default_matmul_precision("highest"):
        total = 0.0
        for x, y, layer in zip(features(weights, a), features(weights, b), weights["layers"], strict=True):
            squared = (_unit(x) - _unit(y)) ** 2 * layer["weight"].reshape(1, 1, 1, -1)
            total = total + squared.sum(-1).mean((1, 2))
        return total


def _unit(x: Array) -> Array:
    return x / (jnp.sqrt((x**2).sum(-1, keepdims=True)) + 1e-10)
