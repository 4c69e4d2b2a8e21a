"""Latents in a .npz file: content [n layers w], motion [n m], and how they were made."""

from __future__ import annotations

import json

import numpy as np
from etils import epath

from digan_jax.errors import InputError
from digan_jax.host.arrays import read_arrays
from digan_jax.host.files import moved_in
from digan_jax.shapes import Latents


def save(path: epath.PathLike, lat: Latents, note: dict) -> None:
    """Writes latents and a note of how they were made. The file appears when it is complete."""
    with moved_in(path) as unfinished, open(unfinished, "wb") as file:
        content, motion = (np.asarray(x, np.float32) for x in lat)
        np.savez(file, content=content, motion=motion, comment=json.dumps(note))


def read(path: epath.PathLike, rows=None) -> Latents:
    """The latents of a file.

    Args:
      rows: indices of clips; None: all.

    Raises:
      InputError: no such file, a damaged one, or no such row.
    """
    arrays = read_arrays(epath.Path(path).expanduser())
    if not {"content", "motion"} <= arrays.keys() or arrays["content"].ndim != 3 or arrays["motion"].ndim != 2:
        raise InputError(f"{path}: holds no latents (content [n layers w], motion [n m]); make it by digan invert.")
    count = len(arrays["content"])
    rows = np.arange(count) if rows is None else np.asarray(rows)
    if rows.max() >= count or len(arrays["motion"]) != count:
        raise InputError(f"{path}: has {count} clips, numbered from 0; there is no {int(rows.max())}.")
    return Latents(arrays["content"][rows].astype(np.float32), arrays["motion"][rows].astype(np.float32))
