"""The generator's architecture: its blocks, their layers and channels."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from digan_jax import grids
from digan_jax.config import ModelConfig
from digan_jax.models.condition.encoder import SCALES
from digan_jax.models.digan.constants import EXTRA_LAYERS


class Layer(NamedTuple):
    """Shape of a 1x1 layer with factorised multiplicative modulation (FMM)."""

    name: str  # as in the release
    n_x: int  # channels of the previous layer
    n_fourier: int  # Fourier features concatenated to them
    n_out: int
    n_constants: int = 0  # learned constants concatenated to them
    n_condition: int = 0  # features of the condition concatenated to them

    @property
    def n_in(self) -> int:
        return self.n_x + self.n_fourier + self.n_constants + self.n_condition


def blocks(config: ModelConfig) -> dict[int, list[Layer]]:
    """{resolution: its layers} for the blocks 4, 8, ... R."""
    layers: dict[int, list[Layer]] = {}
    for r in (4 << i for i in range((config.resolution // 4).bit_length())):
        n_out = config.channels(r)
        n_fourier = 2 * config.n_frequencies if r == 4 or r > config.base else 0
        names = ["conv1"] if r == 4 else ["conv0", "conv1"]
        names += ["extra_convs_0"] if r in EXTRA_LAYERS else []
        n_x = 0 if r == 4 else config.channels(r // 2)
        n_constants = n_out if n_fourier and config.constants else 0
        n_condition = context_features(config) if n_fourier and config.condition_planes else 0
        first = Layer(names[0], n_x, n_fourier, n_out, n_constants, n_condition)
        layers[r] = [first, *(Layer(name, n_out, 0, n_out) for name in names[1:])]
    return layers


def context_features(config: ModelConfig) -> int:
    """Channels of a `Context` at the times of frames: features of all scales and, where colours move, what moved."""
    planes = config.condition_planes + config.condition_style + 4 * config.condition_carried + 1
    moved = 2 * planes + 2 if config.condition_warp else 0
    return SCALES * config.condition_width + moved


def blocks_on(config: ModelConfig, grid: grids.Grid) -> Iterator[tuple[int, list[Layer], grids.Level]]:
    """(resolution, layers, grid level) of each block. Blocks up to `config.base` share one; a grid may end early."""
    for r, layers in blocks(config).items():
        index = max(0, (r // config.base).bit_length() - 1)
        if index < len(grid.levels):
            yield r, layers, grid.levels[index]


def n_layers(config: ModelConfig) -> int:
    """Copies of w: one per FMM layer and one for the last toRGB. Any other toRGB uses the next FMM layer's copy."""
    return sum(map(len, blocks(config).values())) + 1
