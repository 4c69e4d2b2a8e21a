"""C3D (Tran et al., ICCV 2015, arXiv 1412.0767), fine-tuned on UCF-101: the classifier for the video Inception Score in
the evaluation of TGAN (Saito et al., ICCV 2017, arXiv 1611.06624). The user supplies files of weights and mean clip.

Preprocessing as in that evaluation: 16 consecutive frames, BGR, in [0, 255]; both sides resized to 128 by cubic
convolution without antialiasing, ignoring the aspect ratio; minus columns 21 to 149 of the mean clip's 171; centre crop
to 112. Two differences: TGAN's evaluation uses x 128 + 128 of frames in [-1, 1] without rounding, we use uint8 (at most
one grey level apart); and it scores 9,984 clips at a time, we score the clips of each draw of a protocol.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
from etils import epath
from jaxtyping import Float

from digan_jax.errors import InputError
from digan_jax.evaluation.features import i3d
from digan_jax.host.arrays import read_arrays
from digan_jax.pretrained import states
from digan_jax.pretrained.packaged import checksum
from digan_jax.shapes import Array

RESIZED, CROPPED = 128, 112  # pixels a side
_MEAN = (3, 16, 128, 171)  # channels, frames, rows, columns
_FIRST_COLUMN = 21
# Output channels of the 3x3x3 convolutions, and whether max pooling follows; widths of the dense layers.
CONVOLUTIONS = {
    "conv1a": (64, True),
    "conv2a": (128, True),
    "conv3a": (256, False),
    "conv3b": (256, True),
    "conv4a": (512, False),
    "conv4b": (512, True),
    "conv5a": (512, False),
    "conv5b": (512, True),
}
DENSE = {"fc6": 4096, "fc7": 4096, "fc8": 101}
_LAST = (1, 4, 4)  # frames, rows and columns after the last pooling


def load(weights: epath.PathLike, mean: epath.PathLike) -> tuple[dict, str]:
    """Weights for `probabilities`, and the sha256 of the two files, concatenated.

    Args:
      weights: Chainer .npz with conv1a/W [o i t h w], conv1a/b, ..., fc8/W [o i], fc8/b.
      mean: .npz with the array "mean" [3 16 128 171]: channels (BGR), frames, rows, columns.

    Raises:
      InputError: a file that is missing, damaged, or not this C3D or its mean; names the array.
    """
    state = {name.lstrip("/"): array for name, array in read_arrays(weights).items()}
    state = states.checked(state, _shapes(), weights, "the C3D of UCF-101 as Chainer stores it")
    found = {}
    for name in (*CONVOLUTIONS, *DENSE):
        kernel = state[f"{name}/W"]
        if name in CONVOLUTIONS:
            kernel = np.moveaxis(kernel, (0, 1), (4, 3))  # [o i t h w] -> [t h w i o]
        elif name == "fc6":  # flattened features: channels first in Chainer, last here
            kernel = np.moveaxis(kernel.reshape(len(kernel), -1, *_LAST), 1, -1).reshape(kernel.shape).T
        else:
            kernel = kernel.T
        found[name] = {"kernel": kernel, "bias": state[f"{name}/b"]}
    found["mean"] = _mean(mean)
    return jax.tree.map(jnp.asarray, found), checksum(weights, mean)


def _shapes() -> dict[str, tuple[int, ...]]:
    shapes, inputs = {}, 3
    for name, outputs in {**{name: o for name, (o, _) in CONVOLUTIONS.items()}, **DENSE}.items():
        if name == "fc6":
            inputs *= int(np.prod(_LAST))
        kernel = (outputs, inputs, 3, 3, 3) if name in CONVOLUTIONS else (outputs, inputs)
        shapes |= {f"{name}/W": kernel, f"{name}/b": (outputs,)}
        inputs = outputs
    return shapes


def _mean(source: epath.PathLike) -> Float[np.ndarray, "16 112 112 3"]:
    state = read_arrays(source)
    if "mean" not in state or state["mean"].size != np.prod(_MEAN):
        there = {name: array.shape for name, array in state.items()}
        raise InputError(f"{source}: holds {there}, not the mean of C3D, an array `mean` of {_MEAN}.")
    middle, edge = state["mean"].reshape(_MEAN).astype(np.float32), (RESIZED - CROPPED) // 2
    left = _FIRST_COLUMN + edge
    return np.moveaxis(middle[:, :, edge : edge + CROPPED, left : left + CROPPED], 0, -1)


def probabilities(weights: dict, clips: Float[Array, "n 16 128 128 3"]) -> Float[Array, "n classes"]:
    """Class probabilities of RGB clips in [0, 255]."""
    edge = (RESIZED - CROPPED) // 2
    x = clips[:, :, edge : edge + CROPPED, edge : edge + CROPPED, ::-1] - weights["mean"][None]
    for name, (_, pooled) in CONVOLUTIONS.items():
        x = jax.nn.relu(i3d.conv(x, weights[name]))
        if pooled:  # with padding: an odd last row or column is pooled alone
            x = i3d.max_pool(x, *[(1 if name == "conv1a" else 2, 2, 2)] * 2)
    x = x.reshape(len(x), -1)
    for name in DENSE:
        x = x @ weights[name]["kernel"] + weights[name]["bias"].reshape(1, -1)
        x = x if name == "fc8" else jax.nn.relu(x)
    return jax.nn.softmax(x)
