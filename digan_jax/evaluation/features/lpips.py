"""LPIPS v0.1 on AlexNet (Zhang et al., CVPR 2018, arXiv 1801.03924). Weights out of files that the user supplies.

The distance: features of five layers behind their ReLUs, scaled to unit length along channels, squared differences
weighted by channel, mean over pixels, sum over layers. Frames in [-1, 1] are first shifted and scaled by channel, which
amounts to ImageNet's normalisation. What other networks of the kind share with it (ST-LPIPS) lies here too.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import jax
import jax.numpy as jnp
import numpy as np
from etils import epath
from jax import lax
from jaxtyping import Float

from digan_jax.errors import InputError
from digan_jax.evaluation.features import states
from digan_jax.evaluation.features.packaged import checksum
from digan_jax.host.pickles.restricted import read_torch
from digan_jax.shapes import Array

SHIFT, SCALE = (-0.030, -0.088, -0.188), (0.458, 0.448, 0.450)  # of red, green, blue; the published scaling layer
SHAPES = [(64, 3, 11, 11), (192, 64, 5, 5), (384, 192, 3, 3), (256, 384, 3, 3), (256, 256, 3, 3)]  # [o i h w]
KIND = "LPIPS v0.1 on AlexNet"
PADDINGS = (2, 2, 1, 1, 1)
POOLED = (1, 2)  # layers behind a max pooling
_BACKBONE = ["net.slice1.0", "net.slice2.3", "net.slice3.6", "net.slice4.8", "net.slice5.10"]  # in a state of LPIPS
_ALEXNET = {f"net.slice{k + 1}.{n}": f"features.{n}" for k, n in enumerate((0, 3, 6, 8, 10))}  # in torchvision's


def load(files: Sequence[epath.PathLike]) -> tuple[dict, str]:
    """Weights for `distance`, and the sha256 of the files, one behind the other.

    Args:
      files: one, the state dict of the whole metric (`net.slice1.0.weight`, ..., `lin4.model.1.weight`), or two, in
        any order: torchvision's AlexNet (`features.0.weight`, ...) and the published linear layers of v0.1.

    Raises:
      InputError: missing, damaged, or not LPIPS v0.1 on AlexNet; says which layer.
    """
    source, state = " and ".join(map(str, files)), {}
    for file in files:
        content = read_torch(file)
        states.checked(content, {}, file, KIND)
        state |= content
    for ours, theirs in _ALEXNET.items():
        for kind in ("weight", "bias"):
            if f"{ours}.{kind}" not in state and f"{theirs}.{kind}" in state:
                state[f"{ours}.{kind}"] = state[f"{theirs}.{kind}"]
    scaling = {"shift": SHIFT, "scale": SCALE}
    for name, published in scaling.items():
        stored = np.ravel(state.get(f"scaling_layer.{name}", published))
        if stored.shape != (3,) or not np.allclose(stored, published, atol=1e-6):
            raise InputError(f"{source}: scaling_layer.{name} is {stored}, that of LPIPS v0.1 {published}.")
    return assemble(state, _BACKBONE, scaling, source, KIND), checksum(*files)


def assemble(state: dict, names: Sequence[str], scaling: dict, source: str, kind: str) -> dict:
    """{"layers": [{"kernel", "bias", "weight" of each channel}], "shift" [3], "scale" [3]} of a state dict whose
    convolutions have these names. `source` and `kind` are for errors. Raises InputError for what lacks or has another
    shape."""
    layers = []
    for number, (name, shape) in enumerate(zip(names, SHAPES, strict=True)):
        wanted = {f"{name}.weight": shape, f"{name}.bias": shape[:1], f"lin{number}.model.1.weight": (1, shape[0], 1, 1)}
        kernel, bias, weight = states.checked(state, wanted, source, kind).values()
        kernel = np.moveaxis(kernel, (0, 1), (3, 2))  # [o i h w] -> [h w i o]
        layers.append({"kernel": kernel, "bias": bias, "weight": weight.ravel()})
    scaling = {key: np.ravel(value).astype(np.float32) for key, value in scaling.items()}
    return jax.tree.map(jnp.asarray, {"layers": layers, **scaling})


def scaled(weights: dict, frames: Float[Array, "n h w 3"]) -> Float[Array, "n h w 3"]:
    """What the first convolution takes."""
    over = lambda name: weights[name].reshape(1, 1, 1, 3)
    return (frames - over("shift")) / over("scale")


def convolution(x: Float[Array, "n h w i"], layer: dict, padding: int, stride: int = 1) -> Float[Array, "n _ _ o"]:
    """With its bias."""
    around, layout = [(padding, padding)] * 2, ("NHWC", "HWIO", "NHWC")
    y = lax.conv_general_dilated(x, layer["kernel"], (stride, stride), around, dimension_numbers=layout)
    return y + layer["bias"].reshape(1, 1, 1, -1)


def max_pool(x: Float[Array, "n h w c"], stride: int) -> Float[Array, "n _ _ c"]:
    """Over 3 x 3 pixels, where they fit."""
    return lax.reduce_window(x, -jnp.inf, lax.max, (1, 3, 3, 1), (1, stride, stride, 1), "VALID")


def features(weights: dict, frames: Float[Array, "n h w 3"]) -> list[Float[Array, "n _ _ _"]]:
    """Of the five layers, of frames in [-1, 1] of 31 pixels a side or more."""
    x, found = scaled(weights, frames), []
    for number, (padding, layer) in enumerate(zip(PADDINGS, weights["layers"], strict=True)):
        if number in POOLED:
            x = max_pool(x, 2)
        x = jax.nn.relu(convolution(x, layer, padding, 1 if number else 4))
        found.append(x)
    return found


def of_features(network: Callable, weights: dict, a: Array, b: Array) -> Float[Array, "n"]:
    """The distance under the features that `network(weights, frames)` gives."""
    with jax.default_matmul_precision("highest"):
        total = 0.0
        for x, y, layer in zip(network(weights, a), network(weights, b), weights["layers"], strict=True):
            squared = (_unit(x) - _unit(y)) ** 2 * layer["weight"].reshape(1, 1, 1, -1)
            total = total + squared.sum(-1).mean((1, 2))
        return total


def _unit(x: Array) -> Array:
    return x / (jnp.sqrt((x**2).sum(-1, keepdims=True)) + 1e-10)


@jax.jit
def distance(weights: dict, a: Float[Array, "n h w 3"], b: Float[Array, "n h w 3"]) -> Float[Array, "n"]:
    """LPIPS of frames in [-1, 1], of 31 pixels a side or more; 0 for equal ones."""
    return of_features(features, weights, a, b)
