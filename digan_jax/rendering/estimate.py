"""Estimates the memory and work of a render before it starts."""

from __future__ import annotations

from typing import NamedTuple

import jax

from digan_jax import grids, kernels
from digan_jax.config import ModelConfig
from digan_jax.models.digan import architecture, networks
from digan_jax.rendering import generate, tiles

UNIT = 2 * 2048**3  # floating-point operations of a 2048x2048 matrix product, the unit U of `digan benchmark`
PROGRAM_BYTES = 0.45e9  # Python, JAX and compiled programs; measured with a small model on CPU


class Estimate(NamedTuple):
    """Cost of the clips that are drawn together: those of one file, or of several."""

    plan: tiles.Plan
    tiles: int  # per frame
    bytes: float  # peak memory of host and devices together
    operations: float  # floating-point operations of the matrix products of all frames

    def lines(self, devices: int, drawn: bool) -> list[str]:
        """Lines to print. `drawn`: whether anything is left to draw; otherwise the work is 0."""
        work = self.operations * drawn
        return [
            f"pieces: {self.plan.clips} clips x {self.plan.frames} frames on each of {devices} devices, "
            f"{self.tiles} {'tile' if self.tiles == 1 else 'tiles'} a frame",
            f"memory: about {self.bytes / 1e9:.1f} GB at the peak",
            f"work: {work / 1e9:,.0f} GFLOP, {work / UNIT:,.1f} products of 2048x2048 matrices",
        ]


def estimate(
    config: ModelConfig, grid: grids.Grid, clips: int, frames: int, devices: int, by_frame: bool = False
) -> Estimate:
    """Cost of `generate.stream` for this many clips and frames, or with `by_frame` of `generate.stream_by_frame`."""
    of_clip, of_frame = operations(config, grid)
    total = clips * frames * (of_clip + of_frame) if by_frame else clips * (of_clip + frames * of_frame)
    width, height = grid.size
    at_once = clips, frames
    if by_frame:
        at_once = generate.frames_together(clips, frames, devices, width * height) * clips, 1
    n_clips, n_frames = generate.shares(at_once[0], devices)
    one_by_one = generate.one_by_one()
    share = -(-at_once[0] // n_clips), -(-at_once[1] // n_frames)
    plan = tiles.plan(config, grid, *share, generate.WORKSPACE, one_by_one)
    of_clip, of_frame = tiles.costs(config, grid)
    drawn_at_once = (1, 1) if one_by_one else (plan.clips, plan.frames)
    activations = drawn_at_once[0] * plan.rows * plan.columns * (of_clip + of_frame * drawn_at_once[1])
    pictures = at_once[0] * min(at_once[1], plan.frames * n_frames) * width * height * 3 * 4
    drawn = devices * (activations + 2 * plan.clips * plan.frames * width * height * 12 * plan.rows / grid_rows(grid))
    memory = PROGRAM_BYTES + 4 * parameters(config) + drawn + 2 * pictures
    return Estimate(plan, len(tiles.corners(grid, plan)), memory, total)


def grid_rows(grid: grids.Grid) -> int:
    """Rows of the first level."""
    return grid.levels[0].y.shape[-1]


def operations(config: ModelConfig, grid: grids.Grid) -> tuple[float, float]:
    """Floating-point operations of the matrix products: (per clip, for its modulated weights; per frame)."""
    of_clip = of_frame = 0.0
    for _, layers, level in architecture.blocks_on(config, grid):
        for layer in layers:
            n_in, n_out = layer.n_in, layer.n_out
            of_clip += 2 * config.rank * (config.w_dim * (n_in + n_out) + n_in * n_out)
            of_clip += 2 * level.x.shape[-1] * level.y.shape[-1] * layer.n_constants * n_out  # alike in all frames
            of_frame += 2 * level.x.shape[-1] * level.y.shape[-1] * layer.n_condition * n_out
            repeat = level.repeat if layer.n_fourier else 1  # upsampling precedes layers with Fourier features
            of_frame += 2 * kernels.cost(level, layer.n_x, layer.n_fourier, n_out, repeat).multiplications
        of_frame += 2 * kernels.cost(level, n_out, 0, 3).multiplications  # toRGB
    return of_clip, of_frame


def parameters(config: ModelConfig) -> int:
    """Number of the generator's parameters."""
    shapes = jax.eval_shape(networks.build(config).generator.init, jax.random.key(0))
    return sum(leaf.size for leaf in jax.tree.leaves(shapes))
