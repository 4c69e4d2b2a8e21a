"""Latents, times and a grid to frames, in pieces, on all local devices."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial

import jax
import numpy as np
from jax.sharding import NamedSharding, PartitionSpec
from jaxtyping import Float, Int

from digan_jax import grids as coords
from digan_jax.config import ModelConfig
from digan_jax.devices import local_mesh
from digan_jax.errors import InputError
from digan_jax.kernels import map_rows
from digan_jax.models.condition.encoder import Context
from digan_jax.models.digan.networks import Nets
from digan_jax.rendering import contexts, tiles
from digan_jax.shapes import Array, Frames, Latents, Params

WORKSPACE = 1 << 29  # bytes of activations per device; more gains little, since one frame keeps a device busy
HOST_BYTES = 1 << 26  # bytes of frames that `stream_by_frame` draws at a time


@partial(jax.jit, static_argnames=("nets", "by_clip"))
def draw(
    params: Params,
    latents: Latents,
    times: Float[Array, "b t"],
    grid: coords.Grid,
    nets: Nets,
    by_clip: bool = True,
    context: Context | None = None,
) -> Frames:
    """Frames of one piece; its clips, or with `by_clip` false its frames, are sharded over this process's devices.

    Times and coordinates are data: it compiles once per network and piece size.
    """
    of_clips, of_both = PartitionSpec("data" if by_clip else None), shared(by_clip)
    of_grid = of_clips if grid.levels[0].x.ndim > 1 else PartitionSpec()
    specs = PartitionSpec(), of_clips, of_both, of_grid, of_clips
    part = partial(_draw_part, nets=nets)
    # shard_map instead of sharding constraints: no device waits for another's clips.
    run = jax.shard_map(part, mesh=local_mesh(), in_specs=specs, out_specs=of_both, check_vma=False)
    return run(params, latents, times, grid, context)


def _draw_part(
    params: Params,
    latents: Latents,
    times: Float[Array, "b t"],
    grid: coords.Grid,
    context: Context | None,
    *,
    nets: Nets,
) -> Frames:
    if not one_by_one():
        return nets.generator.synthesis(params, latents, times, grid, context)
    own_grid = grid.levels[0].x.ndim > 1

    def draw_clip(clip):
        latents, times, own, seen = clip
        draw_frame = lambda time: nets.generator.synthesis(params, latents, time, own if own_grid else grid, seen)[0]
        return map_rows(draw_frame, times.T, finite=times.T)[None]

    return map_rows(draw_clip, (latents, times, grid if own_grid else (), context), finite=times)


def one_by_one() -> bool:
    """Whether a device draws the frames of a piece one at a time, modulating each clip's weights once: True on CPU.

    On CPU the activations of one frame fit the cache (16 frames at 128² of the full model take 16 U one at a time, 23 U
    four at a time), and a frame does not depend on the number of clips and frames, bit for bit. An accelerator would
    idle with one small frame at a time, so it draws all at once.
    """
    return jax.default_backend() == "cpu"


def shared(by_clip: bool) -> PartitionSpec:
    """Sharding of times [b t] and of the drawn frames."""
    return PartitionSpec("data", None) if by_clip else PartitionSpec(None, "data")


def shares(clips: int, devices: int) -> tuple[int, int]:
    """(shards of clips, shards of frames): all devices on one axis. Frames are sharded if clips are too few."""
    return (devices, 1) if clips >= devices else (1, devices)


def stream(
    nets: Nets,
    config: ModelConfig,
    params: Params,
    latents: Latents,
    times: Float[Array, "b t"],
    grid: coords.Grid,
    workspace: int = WORKSPACE,
    context: Context | None = None,
    bands: int = 1,
) -> Iterator[Float[np.ndarray, "b t_piece h w c"]]:
    """Yields all frames of all clips in order of time, in pieces [b t_piece h w c]: float32, about in [-1, 1].

    The result does not depend on the pieces. On CPU frames are bitwise independent of the numbers of clips and frames;
    other tile sizes change the order of sums, by about 1e-5.

    Clips are sharded over devices, or frames if there are fewer clips than devices. With `bands`, so many devices
    share a picture: a band of its rows is drawn as a clip with its own nodes. The next piece is drawn while the
    caller uses one. A device holds `workspace` bytes and two pieces, the host one piece of all clips.

    Args:
      times: in clips; 0 is the first frame, 1 the last.
      grid: with a leading axis, each clip has its own nodes.
      workspace: bytes of activations per device.
      context: of a conditional model, one row per clip.
      bands: devices that share a picture; divides their number.

    Raises:
      InputError: `bands` does not divide the number of devices, or the picture has too few rows.
    """
    mesh = local_mesh()
    b, t = times.shape
    n_clips, n_frames = shares(b, mesh.size) if bands == 1 else (devices_by(bands, mesh.size), 1)
    by_clip = n_frames == 1
    plan = tiles.plan(config, grid, -(-b // n_clips), -(-t // n_frames), workspace, one_by_one())
    if bands > 1:
        plan = tiles.in_bands(config, grid, plan, bands)
    clips, frames = plan.clips * n_clips, plan.frames * n_frames
    of_clips = NamedSharding(mesh, PartitionSpec("data" if by_clip else None))
    of_both = NamedSharding(mesh, shared(by_clip))

    def pieces():
        for start in range(0, t, frames):
            for row in range(0, b, clips):
                own = lambda x: np.repeat(_rows(x, row, clips), bands, axis=0)
                part = jax.device_put(Latents(*map(own, latents)), of_clips)
                seen = jax.device_put(jax.tree.map(own, context), of_clips)
                when = jax.device_put(_rows(own(times).T, start, frames).T, of_both)
                for corners in tiles.together(grid, plan, bands):
                    drawn = [tiles.tile(grid, *corner, plan) for corner in corners]
                    nodes = drawn[0][0]
                    if bands > 1 or grid.levels[0].x.ndim > 1:
                        nodes = jax.device_put(_nodes([tile for tile, *_ in drawn], row, clips), of_clips)
                    places = [place for _, *place in drawn]
                    yield start, row, places, draw(params, part, when, nodes, nets, by_clip, seen)

    yield from _gathered(pieces(), (b, t, *grid.size[::-1]), (clips, frames, bands))


def _gathered(pieces: Iterator, of_all: tuple[int, int, int, int], of_piece: tuple[int, int, int]):
    """Whole frames [b t_piece h w c] from pieces (first frame, first clip, places of its bands, drawn)."""
    (b, t, height, width), (clips, frames, bands) = of_all, of_piece
    upcoming = next(pieces)
    for start in range(0, t, frames):
        done = np.empty((b, min(frames, t - start), height, width, 3), np.float32)
        while upcoming is not None and upcoming[0] == start:
            (_, row, places, drawn), upcoming = upcoming, next(pieces, None)
            drawn = np.asarray(drawn).reshape(clips, bands, *drawn.shape[1:])
            for band, (place, inside) in enumerate(places):
                part = done[row : row + clips, :, place[0], place[1]]
                part[:] = drawn[: part.shape[0], band, : part.shape[1], inside[0], inside[1]]
        yield done


def devices_by(bands: int, devices: int) -> int:
    """Groups of `bands` devices.

    Raises:
      InputError: they are not whole.
    """
    if devices % bands:
        fitting = max(n for n in range(1, devices + 1) if devices % n == 0 and n <= bands)
        raise InputError(f"mesh={bands}: does not divide the {devices} devices of this process; use {fitting}.")
    return devices // bands


def _nodes(bands: Sequence[coords.Grid], row: int, clips: int) -> coords.Grid:
    """A grid whose nodes have a leading axis [clips * bands]: of each clip from `row` on, those of every band."""
    of_clips = lambda x: _rows(x, row, clips) if x.ndim > 1 else np.broadcast_to(x, (clips, *x.shape))
    stack = lambda *x: np.stack([of_clips(nodes) for nodes in x], axis=1).reshape(-1, x[0].shape[-1])
    return jax.tree.map(stack, *bands)


def stream_by_frame(
    nets: Nets,
    config: ModelConfig,
    params: Params,
    latents: Callable[[Int[np.ndarray, "n"]], Latents],
    times: Float[Array, "b t"],
    grids: coords.Grid | Sequence[coords.Grid],
    context: Context | None = None,
    workspace: int = WORKSPACE,
    bands: int = 1,
) -> Iterator[Float[np.ndarray, "b t_piece h w c"]]:
    """`stream` for clips whose latents or grid change from frame to frame: each frame is drawn as a clip.

    Args:
      latents: frame indices [n] -> latents of n · b rows, clip index fastest.
      grids: one for all frames, or one per frame.
    """
    b, t = times.shape
    first = grids if isinstance(grids, coords.Grid) else grids[0]
    width, height = first.size
    count = frames_together(b, t, local_mesh().size, width * height)
    for start in range(0, t, count):
        frames = np.minimum(np.arange(start, start + count), t - 1)  # padded by the last frame: one shape, one program
        grid = first if first is grids else coords.stack([grids[i] for i in frames for _ in range(b)])
        when = np.asarray(times)[:, frames].T.reshape(-1, 1)
        seen = contexts.at_frames(context, np.asarray(times)[:, frames])
        drawn = [*stream(nets, config, params, latents(frames), when, grid, workspace, seen, bands)][0][:, 0]
        yield drawn.reshape(count, b, *drawn.shape[1:]).swapaxes(0, 1)[:, : t - start]


def frames_together(clips: int, frames: int, devices: int, pixels: int) -> int:
    """Number of frames that `stream_by_frame` draws at a time: at most `HOST_BYTES`, but enough for all devices."""
    limit = HOST_BYTES // (12 * clips * pixels)  # 12 bytes: three float32 channels
    return tiles.even(frames, max(-(-devices // clips), limit))


def _rows(x: Array, first: int, count: int) -> np.ndarray:
    """Rows first ... first + count, padded by the last row so that all pieces have one shape."""
    return np.asarray(x)[np.minimum(np.arange(first, first + count), len(x) - 1)]
