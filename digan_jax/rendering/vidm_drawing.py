"""Draws the frames of many clips with VIDM's networks: shared by the devices, each clip a function of its ids alone."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import AxisType, Mesh, PartitionSpec
from jaxtyping import Float, Int, UInt32

from digan_jax import rng
from digan_jax.config import VidmConfig
from digan_jax.kernels import map_rows
from digan_jax.models.vidm import sampling
from digan_jax.models.vidm.networks import Nets
from digan_jax.rendering.generate import one_by_one
from digan_jax.shapes import Array, Params

CLIPS = 16  # most clips that a device draws together
STATIC = ("nets", "model", "size", "mesh", "share")

Images = Float[Array, "b h w 3"]


class Groups(NamedTuple):
    """Clips in groups of one size, each shared evenly by the devices of a mesh."""

    mesh: Mesh
    rows: list[Int[np.ndarray, "group"]]  # clips of each group, padded by its last one
    counts: list[int]  # clips of each group without the padding

    @classmethod
    def of(cls, clips: int) -> Groups:
        devices = jax.local_devices()
        n = min(clips, len(devices))
        mesh = jax.make_mesh((n,), ("data",), axis_types=(AxisType.Auto,), devices=devices[:n])
        group = min(clips, CLIPS * n)
        parts = [np.arange(start, start + -(-group // n) * n) for start in range(0, clips, group)]
        rows = [np.minimum(part, min(part[0] + group, clips) - 1) for part in parts]
        return cls(mesh, rows, [min(group, clips - part[0]) for part in parts])

    def joined(self, found: Sequence[Array]) -> Float[np.ndarray, "b *_"]:
        """The results of all groups, one row for each clip."""
        return np.concatenate([np.asarray(x)[:n] for x, n in zip(found, self.counts)])

    def parted(self, x):
        """The rows of each group; None for None."""
        return [None if x is None else x[r] for r in self.rows]


def noises(name: str, seed: UInt32[Array, "b"], ids: Int[Array, "b"], size: tuple[int, int]) -> sampling.Noises:
    """The noise of each clip's frames: a function of (seed, name, id, frame, kept step), whatever the batch."""

    def normal(i, number):
        def of_clip(seed, clip):
            key = jax.random.fold_in(rng.stream(jax.random.key(seed), name), clip)
            return jax.random.normal(jax.random.fold_in(jax.random.fold_in(key, i), number), (*size, 3))

        return jax.vmap(of_clip)(seed, ids)

    return sampling.Noises(lambda i: normal(i, 0), lambda i, j: normal(i, j + 1))


def _by_clip(draw: Callable, rows: tuple, mesh: Mesh) -> Array:
    """draw(*rows), clips shared by the devices; on CPU one at a time, so that a clip does not depend on the batch."""

    def part(params, *rows):
        if not one_by_one():
            return draw(params, *rows)
        return map_rows(lambda row: draw(params, *row), rows, finite=rows[-1][:, None].astype(jnp.float32))

    params, *by_clip = rows  # the last is a number for each clip
    specs = PartitionSpec(), *(PartitionSpec("data") for _ in by_clip)
    run = jax.shard_map(part, mesh=mesh, in_specs=specs, out_specs=PartitionSpec("data"), check_vma=False)
    return run(params, *by_clip)


@partial(jax.jit, static_argnames=STATIC)
def draw_first(
    params: Params, ids, seed, label, proposal=None, *, nets: Nets, model: VidmConfig, size, mesh: Mesh, share=1.0
) -> Images:
    """First frames [b h w 3] of clips; see `sampling.draw_first`."""
    method = sampling.method_of(model, share)

    def draw(params, label, proposal, ids, seed):
        source = noises("content", seed, ids, size)
        return sampling.draw_first(nets, method, params, source, label, proposal)

    return _by_clip(draw, (params, label, proposal, ids, seed), mesh)


@partial(jax.jit, static_argnames=STATIC)
def draw_next(
    params: Params,
    first: Images,
    before: Images,
    ids,
    seed,
    label,
    indices: Int[Array, "n"],
    proposals: Float[Array, "b n h w 3"] | None = None,
    places: Float[Array, "n"] | None = None,
    *,
    nets: Nets,
    model: VidmConfig,
    size,
    mesh: Mesh,
    share=1.0,
) -> Float[Array, "b n h w 3"]:
    """The next n frames of clips; see `sampling.draw_next`."""
    method = sampling.method_of(model, share)

    def draw(params, first, before, label, proposals, ids, seed):
        source = noises("motion", seed, ids, size)
        by_frame = None if proposals is None else jnp.moveaxis(proposals, 1, 0)
        frames = sampling.draw_next(
            nets, model, method, params, first, before, indices, source, None, label, by_frame, places
        )
        return jnp.moveaxis(frames, 0, 1)

    return _by_clip(draw, (params, first, before, label, proposals, ids, seed), mesh)
