"""Weights as files hold them, checked by name and shape before anything is made of them."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from digan_jax.errors import InputError


def checked(state: object, shapes: Mapping[str, tuple[int, ...]], source: object, kind: str) -> dict[str, np.ndarray]:
    """The arrays of these names and shapes, float32; what else the state holds is left.

    Args:
      state: {name: array}. source: its file, and kind: what it should be, for the error.

    Raises:
      InputError: no dict, an array that lacks, or one of another shape; says which.
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
    """Names and shapes in a PyTorch state of a convolution without bias and the batch norm behind it, in the order that
    `i3d.fold` takes them: the kernel [o ...], then bias, mean, variance and scale [o]."""
    of_norm = ("bias", "running_mean", "running_var", "weight")
    return {f"{conv}.weight": kernel} | {f"{norm}.{name}": kernel[:1] for name in of_norm}
