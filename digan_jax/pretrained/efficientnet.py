"""EfficientNet-Lite0 (Tan and Le, ICML 2019; the Lite variant without squeeze-and-excitation, with ReLU6): features of
single frames for a Fréchet distance and KID without manual downloads, and for critics (Projected GAN).

Inference only: batch norm is folded into the kernels. Weights are {"stem", "head", "logits": {"kernel", "bias"},
"blocks": [{"expand"?, "depthwise", "project"}, ...]}, kernels [h w i o], depthwise kernels [h w 1 channels].
"""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Float

from digan_jax.shapes import Array

SIZE = 224  # pixels a side
WIDTH = 1280  # features
MEAN, SCALE = 127.0, 128.0  # the network takes (x - MEAN) / SCALE, x in [0, 255]

# Repeats, kernel size, stride of the first repeat, expansion, channels in, channels out.
_STAGES = [
    (1, 3, 1, 1, 32, 16),
    (2, 3, 2, 6, 16, 24),
    (2, 5, 2, 6, 24, 40),
    (3, 3, 2, 6, 40, 80),
    (3, 5, 1, 6, 80, 112),
    (4, 5, 2, 6, 112, 192),
    (1, 3, 1, 6, 192, 320),
]


def blocks() -> list[tuple[int, int, int, int, int]]:
    """Kernel size, stride, expansion, channels in and out of each block."""
    blocks = []
    for repeats, size, stride, expansion, i, o in _STAGES:
        blocks += [(size, stride if n == 0 else 1, expansion, i if n == 0 else o, o) for n in range(repeats)]
    return blocks


def _relu6(x: Array) -> Array:
    return jnp.clip(x, 0, 6)


def _conv(x: Float[Array, "n h w i"], layer: dict, stride: int = 1) -> Float[Array, "n _ _ o"]:
    y = lax.conv_general_dilated(
        x,
        layer["kernel"],
        (stride, stride),
        "SAME",  # the weights were trained in TensorFlow, which pads odd rows and columns at the end
        dimension_numbers=("NHWC", "HWIO", "NHWC"),
    )
    return y + layer["bias"].reshape(1, 1, 1, -1)


def _depthwise(x: Float[Array, "n h w c"], layer: dict, stride: int) -> Float[Array, "n _ _ c"]:
    """Each channel with its own kernel, padded as `_conv`: a sum of shifted arrays, ten times as fast on XLA:CPU."""
    size = layer["kernel"].shape[0]
    outs = [-(-length // stride) for length in x.shape[1:3]]
    totals = [max(0, (out - 1) * stride + size - length) for out, length in zip(outs, x.shape[1:3])]
    padded = jnp.pad(x, [(0, 0), *((total // 2, total - total // 2) for total in totals), (0, 0)])
    part = lambda first, out: slice(first, first + (out - 1) * stride + 1, stride)
    y = jnp.broadcast_to(layer["bias"], (len(x), *outs, x.shape[-1]))
    for i, j in np.ndindex(size, size):
        y += padded[:, part(i, outs[0]), part(j, outs[1])] * layer["kernel"][i, j].reshape(1, 1, 1, -1)
    return y


def block_features(weights: dict, frames: Float[Array, "n h w 3"], last: int | None = None) -> list[Array]:
    """Features after each of the first `last` blocks; frames of any size, in [0, 255]."""
    x = _relu6(_conv((frames - MEAN) / SCALE, weights["stem"], stride=2))
    found = []
    for (_, stride, _, i, o), layer in list(zip(blocks(), weights["blocks"], strict=True))[:last]:
        y = _relu6(_conv(x, layer["expand"])) if "expand" in layer else x
        y = _conv(_relu6(_depthwise(y, layer["depthwise"], stride)), layer["project"])
        x = x + y if stride == 1 and i == o else y
        found.append(x)
    return found


def features(weights: dict, frames: Float[Array, "n 224 224 3"]) -> Float[Array, "n 1280"]:
    """Pooled features before the classifier; frames in [0, 255]."""
    return _relu6(_conv(block_features(weights, frames)[-1], weights["head"])).mean((1, 2))


def logits(weights: dict, frames: Float[Array, "n 224 224 3"]) -> Float[Array, "n 1000"]:
    """ImageNet logits, to check weights; frames in [0, 255]."""
    return features(weights, frames) @ weights["logits"]["kernel"] + weights["logits"]["bias"][None]
