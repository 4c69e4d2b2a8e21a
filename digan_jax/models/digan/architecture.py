"""Which blocks and layers a generator has, of how many channels."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from digan_jax import grids
from digan_jax.config import ModelConfig
from digan_jax.models.digan.constants import EXTRA_LAYERS


class Layer(NamedTuple):
    """A 1x1 layer under factorised multiplicative modulation."""

    name: str  # as in the release
    n_x: int  # channels of the layer before
    n_fourier: int  # Fourier features that are appended to them
    n_out: int

    @property
    def n_in(self) -> int:
        return self.n_x + self.n_fourier


def blocks(config: ModelConfig) -> dict[int, list[Layer]]:
    """Layers of the blocks of resolution 4, 8, ... R."""
    found: dict[int, list[Layer]] = {}
    for r in (4 << i for i in range((config.resolution // 4).bit_length())):
        n_out = config.channels(r)
        n_fourier = 2 * config.n_frequencies if r == 4 or r > grids.BASE else 0
        names = ["conv1"] if r == 4 else ["conv0", "conv1"]
        names += ["extra_convs_0"] if r in EXTRA_LAYERS else []
        n_x = 0 if r == 4 else config.channels(r // 2)
        first = Layer(names[0], n_x, n_fourier, n_out)
        found[r] = [first, *(Layer(name, n_out, 0, n_out) for name in names[1:])]
    return found


def blocks_on(config: ModelConfig, grid: grids.Grid) -> Iterator[tuple[int, list[Layer], grids.Level]]:
    """Resolution, layers and level of each block: those up to 32 share a level, and a pyramid may stop early."""
    for r, layers in blocks(config).items():
        index = max(0, (r // grids.BASE).bit_length() - 1)
        if index < len(grid.levels):
            yield r, layers, grid.levels[index]


def n_layers(config: ModelConfig) -> int:
    """Copies of w: one for each FMM layer and one for the last toRGB; every other toRGB shares the next layer's."""
    return sum(map(len, blocks(config).values())) + 1
