"""Array types with named axes, the batch of training, and the glossary of axes.

Axes, everywhere in this project:
  b       clips                     t   frames of a clip           h w   rows and columns of pixels
  c       colour channels (3)       r   resolution of one level    R     resolution of the model
  layers  copies of w, one a layer  w   width of the content vector      m   width of the motion vector
A pair is two frames of one clip: axis of length 2 where `t` would stand.
Frames are float32 in [-1, 1] or uint8 in [0, 255]; times are in clips, 0 its first frame and 1 its last.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import jax
import numpy as np
from jaxtyping import Float, UInt8

Array = jax.Array | np.ndarray
Params = dict  # nested dict of arrays, named as in the authors' release

Frames = Float[Array, "b t h w c"]
Pair = Float[Array, "b 2 h w c"]
Motion = object  # a tree of arrays [b ...] that only the motion code looks into


class Condition(NamedTuple):
    """What a generator and its critics are given beside noise; None where there is nothing of the kind."""

    label: Float[Array, "b classes"] | None = None  # one-hot
    maps: Float[Array, "b s H W c"] | None = None  # pictures at s times
    at: Float[Array, "b s"] | None = None  # times of the maps, in clips


class Batch(NamedTuple):
    """Some frames of real clips, as the loader hands them to a step."""

    frames: UInt8[Array, "b k h w c"]  # uint8 until on the device; DIGAN sees pairs: k = 2
    times: Float[Array, "b k"]  # position in the clip, in [0, 1], ascending
    condition: Condition | None = None


class Latents(NamedTuple):
    """What makes a clip: the content of each layer and the motion."""

    content: Float[Array, "b layers w"]
    motion: Motion  # of DIGAN's linear code a vector [b m]


def leaves(tree) -> dict[str, object]:
    """{"synthesis.b4.torgb.bias": x, ...}: the leaves of a tree by dotted name, in jax's order."""
    name = lambda path: jax.tree_util.keystr(path, simple=True, separator=".")
    return {name(path): leaf for path, leaf in jax.tree.leaves_with_path(tree)}


def nested(flat: Mapping[str, object]) -> Params:
    """{"a.b": x} as {"a": {"b": x}}: the inverse of `leaves` for nested dicts."""
    tree: Params = {}
    for name, value in flat.items():
        *path, last = name.split(".")
        node = tree
        for key in path:
            node = node.setdefault(key, {})
        node[last] = value
    return tree
