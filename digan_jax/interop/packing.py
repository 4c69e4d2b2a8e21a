"""Arrays in few bits, for small files: float16, or matrices as whole numbers with a scale for each row, without gaps."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from jaxtyping import Float, Float16, UInt8

from digan_jax.errors import InputError
from digan_jax.shapes import Array

BITS = (32, 16, 8, 7, 6)  # of a number: float32, float16, or whole
SCALE = ":scale"  # beside a packed matrix: its name with this
LEAST_COLUMNS = 64  # of a packed matrix; smaller ones and other arrays are float16 then


def packed(arrays: Mapping[str, Array], bits: int) -> dict[str, np.ndarray]:
    """Arrays as they are stored.

    Raises:
      InputError: another number of bits; a number that is too large for float16.
    """
    if bits not in BITS:
        raise InputError(f"bits={bits}: choose one of {list(BITS)}.")
    found = {}
    for name, value in arrays.items():
        value = np.ascontiguousarray(value)
        if bits == 32:
            found[name] = value
        elif bits < 16 and value.ndim == 2 and value.shape[1] >= LEAST_COLUMNS:
            found[name], found[name + SCALE] = pack(value, bits)
        elif np.abs(value).max(initial=0) > np.finfo(np.float16).max:
            raise InputError(f"array {name} holds numbers that are too large for float16; store 32 bits.")
        else:
            found[name] = value.astype(np.float16)
    return found


def unpacked(arrays: Mapping[str, np.ndarray], name: str, shape: tuple[int, ...], bits: int) -> np.ndarray | None:
    """One array as float32; None if it is not there, or stored with another shape or type than `packed` gives it."""
    value, scale = arrays.get(name), arrays.get(name + SCALE)
    if value is None:
        return None
    if scale is not None and bits < 16 and len(shape) == 2:
        stored = (shape[0], -(-shape[1] * bits // 8))
        fits = value.shape == stored and value.dtype == np.uint8 and scale.shape == shape[:1]
        return unpack(value, scale, shape[1], bits) if fits and scale.dtype == np.float16 else None
    fits = value.shape == shape and value.dtype in (np.float32, np.float16)
    return np.asarray(value, np.float32) if fits else None


def pack(x: Float[np.ndarray, "r c"], bits: int) -> tuple[UInt8[np.ndarray, "r _"], Float16[np.ndarray, "r"]]:
    """Whole numbers of so many bits, and the value of 1 in each row."""
    most = 2 ** (bits - 1) - 1
    scale = (np.abs(x).max(1) / most).astype(np.float16)
    whole = np.rint(x / np.where(scale == 0, 1, scale.astype(np.float32))[:, None])
    whole = (np.clip(whole, -most, most) + most).astype(np.uint8)
    each = np.unpackbits(whole[..., None], axis=-1)[..., 8 - bits :]
    return np.packbits(each.reshape(len(x), -1), axis=1), scale


def unpack(
    whole: UInt8[np.ndarray, "r _"], scale: Float16[np.ndarray, "r"], columns: int, bits: int
) -> Float[np.ndarray, "r {columns}"]:
    """The inverse of `pack`, to half a step of each row."""
    each = np.unpackbits(whole, axis=1, count=columns * bits).reshape(len(whole), columns, bits)
    numbers = np.packbits(np.pad(each, [(0, 0), (0, 0), (8 - bits, 0)]), axis=-1)[..., 0]
    return (numbers.astype(np.float32) - (2 ** (bits - 1) - 1)) * scale.astype(np.float32)[:, None]
