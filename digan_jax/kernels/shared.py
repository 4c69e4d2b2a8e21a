"""Kernels that walk through a batch, where several devices share it: each device walks through its own part.

One walk through all images would take an image from each device in turn, which sends every image to every device.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from contextvars import ContextVar

import jax
from jaxtyping import Float

from digan_jax.shapes import Array

_devices: ContextVar[int] = ContextVar("devices", default=1)


@contextlib.contextmanager
def shared_by(devices: int) -> Iterator[None]:
    """Context manager or decorator: in functions traced inside, so many devices share the batch, in equal parts."""
    token = _devices.set(devices)
    try:
        yield
    finally:
        _devices.reset(token)


def summed(f: Callable, *images: Float[Array, "n _ _ _"]) -> Array:
    """f(*images), for an f that is a sum over images."""
    devices = _devices.get()
    if devices == 1 or len(images[0]) % devices:
        return f(*images)
    return jax.vmap(f)(*(_parts(x, devices) for x in images)).sum(axis=0)


def joined(f: Callable, images: Float[Array, "n _ _ _"]) -> Array:
    """f(images), for an f that maps each image by itself."""
    devices = _devices.get()
    if devices == 1 or len(images) % devices:
        return f(images)
    found = jax.vmap(f)(_parts(images, devices))
    return found.reshape(-1, *found.shape[2:])


def _parts(x: Float[Array, "n _ _ _"], devices: int) -> Float[Array, "{devices} m _ _ _"]:
    return x.reshape(devices, -1, *x.shape[1:])
