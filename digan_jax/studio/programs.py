"""Bounds the number of compiled programs: clients choose sizes, and each size is a program that JAX keeps."""

from __future__ import annotations

import threading

import jax

MOST = 48
_lock, _seen = threading.Lock(), set()


def note(*shape) -> None:
    """Says that a program of this shape is about to run. When there were too many, all are dropped.

    Args:
      shape: what decides about the program: the model, the frame's size, the number of frames and clips.
    """
    with _lock:
        _seen.add(shape)
        if len(_seen) > MOST:
            _seen.clear()
            _seen.add(shape)
            jax.clear_caches()
