"""Checks of state dicts by name and shape; batch norms folded into convolutions."""

from __future__ import annotations

from collections.abc import Mapping

import jax.numpy as jnp
import numpy as np

from digan_jax.errors import InputError
from digan_jax.shapes import Array


def checked(state: object, shapes: Mapping[str, tuple[int, ...]], source: object, kind: str) -> dict[str, np.ndarray]:
    """The arrays of these names as float32; other entries are ignored.

    Args:
      state: {name: array}.
      shapes: {name: expected shape}.
      source, kind: file and kind of network, for errors.

    Raises:
      InputError: not a dict, or an array that is missing or has another shape; names it.
    """
    if not isinstance(state, Mapping):
        raise InputError(f"{source}: holds no dict of weights; it is not {kind}.")
    for name, shape in shapes.items():
        if name not in state:
            raise InputError(f"{source}: lacks {name}; it is not {kind}.")
        if np.shape(state[name]) != shape:
            raise InputError(f"{source}: {name} has shape {np.shape(state[name])}, not {shape}; it is not {kind}.")
    return {name: np.asarray(state[name], np.float32) for name in shapes}


def convolution_and_norm(conv: str, norm: str, kernel: tuple[int, ...]) -> dict[str, tuple[int, ...]]:
    """Names and shapes of a convolution without bias and its batch norm in a PyTorch state dict.

    In the argument order of `fold`: kernel [o ...], bias, mean, variance and scale [o].
    """
    of_norm = ("bias", "running_mean", "running_var", "weight")
    return {f"{conv}.weight": kernel} | {f"{norm}.{name}": kernel[:1] for name in of_norm}


def fold(kernel, bias, mean=0.0, variance=1.0, scale=1.0, epsilon=0.0) -> dict[str, Array]:
    """Folds a batch norm into the convolution [... i o] before it: kernel and bias, float32."""
    gain = np.asarray(scale, np.float64) / np.sqrt(np.asarray(variance, np.float64) + epsilon)
    return {
        "kernel": jnp.asarray(np.asarray(kernel, np.float64) * gain, jnp.float32),
        "bias": jnp.asarray(bias - np.asarray(mean, np.float64) * gain, jnp.float32),
    }
