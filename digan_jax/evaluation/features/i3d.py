"""I3D, RGB stream, 400 classes of Kinetics (Carreira and Zisserman, CVPR 2017).

Inference only: batch norm is folded into the kernels. Weights are a nested dict
{"Conv3d_1a_7x7": {"kernel" [t h w i o], "bias" [o]}, ..., "Mixed_3b": {"b0": {...}, ...}, ..., "logits": {...}}.

A 3D convolution is computed as a 2D convolution of frames that stack the channels of k consecutive frames, because 3D
convolutions are slow on XLA:CPU. Max pooling is a maximum of shifted slices, one axis at a time.
"""

from __future__ import annotations

import functools

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Float

from digan_jax.errors import InputError

Clips = Float[Array, "n _ _ _ _"]  # clips, frames, rows, columns, channels
SIZE = 224  # input size in pixels a side
N_CLASSES = 400
MIN_FRAMES = 9  # three halvings of time must leave two steps for the last average

# Input channels; output channels of the branches 1x1 | 1x1, 3x3 | 1x1, 3x3 | pool, 1x1.
_MIXED = {
    "Mixed_3b": (192, 64, 96, 128, 16, 32, 32),
    "Mixed_3c": (256, 128, 128, 192, 32, 96, 64),
    "Mixed_4b": (480, 192, 96, 208, 16, 48, 64),
    "Mixed_4c": (512, 160, 112, 224, 24, 64, 64),
    "Mixed_4d": (512, 128, 128, 256, 24, 64, 64),
    "Mixed_4e": (512, 112, 144, 288, 32, 64, 64),
    "Mixed_4f": (528, 256, 160, 320, 32, 128, 128),
    "Mixed_5b": (832, 256, 160, 320, 32, 128, 128),
    "Mixed_5c": (832, 384, 192, 384, 48, 128, 128),
}


def kernel_shapes() -> dict[str, tuple[int, ...]]:
    """Shape [t h w i o] of each kernel by dotted layer name, such as "Mixed_3b.b1a"."""
    shapes = {
        "Conv3d_1a_7x7": (7, 7, 7, 3, 64),
        "Conv3d_2b_1x1": (1, 1, 1, 64, 64),
        "Conv3d_2c_3x3": (3, 3, 3, 64, 192),
        "logits": (1, 1, 1, 1024, N_CLASSES),
    }
    for name, (i, b0, b1a, b1b, b2a, b2b, b3b) in _MIXED.items():
        ends = {"b0": (i, b0), "b1a": (i, b1a), "b1b": (b1a, b1b), "b2a": (i, b2a), "b2b": (b2a, b2b), "b3b": (i, b3b)}
        for branch, channels in ends.items():
            size = 3 if branch in ("b1b", "b2b") else 1
            shapes[f"{name}.{branch}"] = (size, size, size, *channels)
    return shapes


# ---- layers ----


def _padding(length: int, size: int, stride: int) -> tuple[int, int]:
    """TensorFlow's SAME padding (before, after): ⌈length / stride⌉ outputs, an odd zero at the end."""
    total = max((-(-length // stride) - 1) * stride + size - length, 0)
    return total // 2, total - total // 2


def _windows(x: Array, axis: int, size: int, stride: int) -> list[Array]:
    """The inputs of each tap of a window that slides along `axis`, zero padding."""
    before, after = _padding(x.shape[axis], size, stride)
    padded = jnp.pad(x, [(before, after) if a == axis else (0, 0) for a in range(x.ndim)])
    stop = -(-x.shape[axis] // stride) * stride
    return [lax.slice_in_dim(padded, k, min(k + stop, padded.shape[axis]), stride, axis) for k in range(size)]


def _plus(x: Array, bias: Float[Array, "o"]) -> Array:
    return x + bias.reshape((1,) * (x.ndim - 1) + bias.shape)


def conv(x: Clips, weights: dict, stride: int = 1) -> Clips:
    """3D convolution with bias, SAME padding."""
    kernel, bias = weights["kernel"], weights["bias"]
    size, _, _, i, o = kernel.shape
    if size == 1:
        return _plus(jnp.einsum("nthwi,io->nthwo", x, kernel[0, 0, 0]), bias)
    x = jnp.concatenate(_windows(x, 1, size, stride), -1)  # [n t h w size*i]
    n, t, h, w, _ = x.shape
    y = lax.conv_general_dilated(
        x.reshape(n * t, h, w, size * i),
        kernel.transpose(1, 2, 0, 3, 4).reshape(size, size, size * i, o),
        (stride, stride),
        "SAME",
        dimension_numbers=("NHWC", "HWIO", "NHWC"),
    )
    return _plus(y.reshape(n, t, *y.shape[1:]), bias)


def max_pool(x: Clips, sizes, strides) -> Clips:
    """3D max pooling, SAME padding. Zero padding is correct because inputs have passed a ReLU."""
    for axis, size, stride in zip((1, 2, 3), sizes, strides):
        if size > 1:
            x = functools.reduce(jnp.maximum, _windows(x, axis, size, stride))
    return x


def _mixed(x: Clips, weights: dict) -> Clips:
    entries = [weights[name] for name in ("b0", "b1a", "b2a")]  # three 1x1 layers of one input as one product
    joint = {key: jnp.concatenate([entry[key] for entry in entries], -1) for key in ("kernel", "bias")}
    ends = np.cumsum([entry["bias"].shape[0] for entry in entries])[:2]
    b0, b1, b2 = jnp.split(jax.nn.relu(conv(x, joint)), ends, -1)
    b1 = jax.nn.relu(conv(b1, weights["b1b"]))
    b2 = jax.nn.relu(conv(b2, weights["b2b"]))
    b3 = jax.nn.relu(conv(max_pool(x, (3, 3, 3), (1, 1, 1)), weights["b3b"]))
    return jnp.concatenate([b0, b1, b2, b3], -1)


def logits(weights: dict, video: Float[Array, "n t 224 224 3"]) -> Float[Array, "n 400"]:
    """Class logits, averaged over time, of clips of 9 frames or more in [-1, 1]."""
    x = jax.nn.relu(conv(video, weights["Conv3d_1a_7x7"], stride=2))
    x = max_pool(x, (1, 3, 3), (1, 2, 2))
    x = jax.nn.relu(conv(x, weights["Conv3d_2b_1x1"]))
    x = jax.nn.relu(conv(x, weights["Conv3d_2c_3x3"]))
    x = max_pool(x, (1, 3, 3), (1, 2, 2))
    for name in ("Mixed_3b", "Mixed_3c"):
        x = _mixed(x, weights[name])
    x = max_pool(x, (3, 3, 3), (2, 2, 2))
    for name in ("Mixed_4b", "Mixed_4c", "Mixed_4d", "Mixed_4e", "Mixed_4f"):
        x = _mixed(x, weights[name])
    x = max_pool(x, (2, 2, 2), (2, 2, 2))
    for name in ("Mixed_5b", "Mixed_5c"):
        x = _mixed(x, weights[name])
    x = x.mean((2, 3))  # over 7x7 pixels
    x = (x[:, :-1] + x[:, 1:]) / 2  # average pooling over two time steps, stride 1
    return _plus(x @ weights["logits"]["kernel"][0, 0, 0], weights["logits"]["bias"]).mean(1)


@jax.jit
def compiled_logits(weights: dict, video: Array) -> Array:
    """`logits` in full float32 on every device."""
    with jax.default_matmul_precision("highest"):  # GPUs default to 10 bits of mantissa, TPUs to 7: FVD would change
        return logits(weights, video)


def check(video: np.ndarray) -> None:
    """Raises `InputError` unless the video is float32 [n t 224 224 3] with t of 9 or more."""
    good = video.ndim == 5 and video.shape[2:] == (SIZE, SIZE, 3) and len(video) and video.dtype == np.float32
    if not good:
        raise InputError(
            f"video is {video.dtype} {list(video.shape)}: I3D takes float32 [n, t, {SIZE}, {SIZE}, 3] in [-1, 1]."
        )
    if video.shape[1] < MIN_FRAMES:
        raise InputError(f"clips of {video.shape[1]} frames: I3D needs {MIN_FRAMES} or more; 16 are usual.")
