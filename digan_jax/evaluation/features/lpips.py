"""LPIPS v0.1 on AlexNet (Zhang et al., CVPR 2018, arXiv 1801.03924). The user supplies files of weights.

The distance: features of five layers after ReLU, normalised to unit length over channels; squared differences weighted
per channel, averaged over pixels, summed over layers. Frames in [-1, 1] are first normalised per channel, as for
ImageNet. `stlpips` shares most of this module.
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
from digan_jax.host.pickles.restricted import read_torch
from digan_jax.pretrained import states
from digan_jax.pretrained.packaged import checksum
from digan_jax.shapes import Array

SHIFT, SCALE = (-0.030, -0.088, -0.188), (0.458, 0.448, 0.450)  # RGB; the published scaling layer
SHAPES = [(64, 3, 11, 11), (192, 64, 5, 5), (384, 192, 3, 3), (256, 384, 3, 3), (256, 256, 3, 3)]  # [o i h w]
KIND = "LPIPS v0.1 on AlexNet"
PADDINGS = (2, 2, 1, 1, 1)
POOLED = (1, 2)  # layers preceded by max pooling
_BACKBONE = ["net.slice1.0", "net.slice2.3", "net.slice3.6", "net.slice4.8", "net.slice5.10"]  # names in LPIPS
_ALEXNET = {f"net.slice{k + 1}.{n}": f"features.{n}" for k, n in enumerate((0, 3, 6, 8, 10))}  # names in torchvision


def load(files: Sequence[epath.PathLike]) -> tuple[dict, str]:
    """Weights for `distance`, and the sha256 of the files, concatenated.

    Args:
      files: one file, the state dict of the whole metric (`net.slice1.0.weight`, ..., `lin4.model.1.weight`); or two
        in any order, torchvision's AlexNet (`features.0.weight`, ...) and the published linear layers of v0.1.

    Raises:
      InputError: a file that is missing, damaged, or not LPIPS v0.1 on AlexNet; names the layer.
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
            raise InputError(f"{source}: scaling_layer.{name} is {stored}, that of LPIPS v0.1 is {published}.")
    return assemble(state, _BACKBONE, scaling, source, KIND), checksum(*files)


def assemble(state: dict, names: Sequence[str], scaling: dict, source: str, kind: str) -> dict:
    """{"layers": [{"kernel" [h w i o], "bias" [o], "weight" [o]}], "shift" [3], "scale" [3]} from a state dict.

    Args:
      names: of the five convolutions in the state dict.
      source, kind: file and kind of network, for errors.

    Raises:
      InputError: an array is missing or has another shape.
    """
    layers = []
    for number, (name, shape) in enumerate(zip(names, SHAPES, strict=True)):
        shapes = {f"{name}.weight": shape, f"{name}.bias": shape[:1]}
        shapes[f"lin{number}.model.1.weight"] = (1, shape[0], 1, 1)
        kernel, bias, weight = states.checked(state, shapes, source, kind).values()
        kernel = np.moveaxis(kernel, (0, 1), (3, 2))  # [o i h w] -> [h w i o]
        layers.append({"kernel": kernel, "bias": bias, "weight": weight.ravel()})
    scaling = {key: np.ravel(value).astype(np.float32) for key, value in scaling.items()}
    return jax.tree.map(jnp.asarray, {"layers": layers, **scaling})


def scaled(weights: dict, frames: Float[Array, "n h w 3"]) -> Float[Array, "n h w 3"]:
    """The input of the first convolution: frames in [-1, 1], normalised per channel."""
    over = lambda name: weights[name].reshape(1, 1, 1, 3)
    return (frames - over("shift")) / over("scale")


def convolution(x: Float[Array, "n h w i"], layer: dict, padding: int, stride: int = 1) -> Float[Array, "n _ _ o"]:
    """2D convolution with bias."""
    around, layout = [(padding, padding)] * 2, ("NHWC", "HWIO", "NHWC")
    y = lax.conv_general_dilated(x, layer["kernel"], (stride, stride), around, dimension_numbers=layout)
    return y + layer["bias"].reshape(1, 1, 1, -1)


def max_pool(x: Float[Array, "n h w c"], stride: int) -> Float[Array, "n _ _ c"]:
    """3x3 max pooling without padding."""
    return lax.reduce_window(x, -jnp.inf, lax.max, (1, 3, 3, 1), (1, stride, stride, 1), "VALID")


def features(weights: dict, frames: Float[Array, "n h w 3"]) -> list[Float[Array, "n _ _ _"]]:
    """Features of the five layers; frames in [-1, 1], 31 pixels a side or more."""
    x, layers = scaled(weights, frames), []
    for number, (padding, layer) in enumerate(zip(PADDINGS, weights["layers"], strict=True)):
        if number in POOLED:
            x = max_pool(x, 2)
        x = jax.nn.relu(convolution(x, layer, padding, 1 if number else 4))
        layers.append(x)
    return layers


def of_features(network: Callable, weights: dict, a: Array, b: Array) -> Float[Array, "n"]:
    """LPIPS distance of frames a and b with the features of `network(weights, frames)`."""
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
    """LPIPS of frames in [-1, 1], 31 pixels a side or more; 0 for equal frames."""
    return of_features(features, weights, a, b)
