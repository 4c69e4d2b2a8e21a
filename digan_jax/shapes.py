"""Array types with named axes, training batches, latents, and the glossary of axes.

Axes, everywhere in this project:
  b       clips                     t   frames of a clip           h w   rows and columns of pixels
  c       colour channels (3)       r   resolution of one level    R     resolution of the model
  layers  copies of w, one a layer  w   width of the content vector      m   width of the motion vector
A pair is two frames of one clip: an axis of length 2 in place of `t`.
Frames are float32 in [-1, 1] or uint8 in [0, 255]. Times are in clips: 0 is the clip's first frame, 1 its last.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import jax
import numpy as np
from jaxtyping import Float, Int, UInt8

Array = jax.Array | np.ndarray
Params = dict  # nested dict of arrays, named as in the authors' release

Frames = Float[Array, "b t h w c"]
Pair = Float[Array, "b 2 h w c"]
Motion = object  # a tree of arrays [b ...] whose structure only the motion code knows


class Styles(NamedTuple):
    """The look of each instance (object) in the maps of a condition: a frame that shows them, or their style vectors."""

    there: Int[Array, "b s H W"]  # the instance of each pixel of the maps, from 0
    frame: Float[Array, "b h w 3"] | None = None  # in [-1, 1]
    here: Int[Array, "b h w"] | None = None  # the instance of each pixel of the frame; -1: none
    vectors: Float[Array, "b instances styles"] | None = None  # instead of a frame
    carried: Float[Array, "b s H W 4"] | None = None  # a frame's colours and trust, as `data.carrying.carried`


class Condition(NamedTuple):
    """Conditioning of generator and critics; None for what a model does not use."""

    label: Float[Array, "b classes"] | None = None  # one-hot
    maps: Float[Array, "b s H W c"] | None = None  # images at s times
    at: Float[Array, "b s"] | None = None  # times of the maps, in clips
    styles: Styles | None = None  # of instances, for models with model.condition_style


class Batch(NamedTuple):
    """A training batch: k frames of each of b real clips."""

    frames: UInt8[Array, "b k h w c"]  # converted to float on the device; DIGAN trains on pairs, k = 2
    times: Float[Array, "b k"]  # in [0, 1], ascending
    condition: Condition | None = None


class Latents(NamedTuple):
    """The latents of b clips: a content vector per layer, and the motion."""

    content: Float[Array, "b layers w"]
    motion: Motion  # a vector [b m] for DIGAN's linear motion code


def leaves(tree) -> dict[str, object]:
    """The leaves of a tree by dotted name, as {"synthesis.b4.torgb.bias": x}, in jax's order."""
    name = lambda path: jax.tree_util.keystr(path, simple=True, separator=".")
    return {name(path): leaf for path, leaf in jax.tree.leaves_with_path(tree)}


def misfits(theirs, ours) -> list[str]:
    """One line for each array that only one of two trees has or whose shapes differ: "name: (3, 4) -> None"."""
    a, b = ({name: np.shape(x) for name, x in leaves(tree).items()} for tree in (theirs, ours))
    return [f"{name}: {a.get(name)} -> {b.get(name)}" for name in sorted(a | b) if a.get(name) != b.get(name)]


def nested(flat: Mapping[str, object]) -> Params:
    """{"a.b": x} to {"a": {"b": x}}: the inverse of `leaves` for nested dicts."""
    tree: Params = {}
    for name, value in flat.items():
        *path, last = name.split(".")
        node = tree
        for key in path:
            node = node.setdefault(key, {})
        node[last] = value
    return tree
