"""`digan prepare`: a folder of videos to a prepared dataset."""

from __future__ import annotations

import dataclasses

from digan_jax.data import builder
from digan_jax.data.pieces import Recipe
from digan_jax.host.progress import Progress
from digan_jax.jobs.requests import Request


@dataclasses.dataclass(frozen=True)
class PrepareRequest(Request):
    """The arguments of `data.builder.prepare`; see there."""

    source: str
    name: str
    size: int = 128
    frames: int = 16
    stride: int = 1
    data_dir: str = ""
    val_fraction: float = 0.0
    cuts: bool = False
    piece_frames: int = 128
    workers: int = 0
    strict: bool = False
    overwrite: bool = False
    beam_options: tuple[str, ...] | None = None

    def check(self) -> None:
        recipe = Recipe(self.size, self.frames, self.stride, self.piece_frames, self.cuts)
        builder.check(self.name, recipe, self.val_fraction, self.workers)


def run(request: PrepareRequest, progress: Progress = Progress()) -> builder.PreparedSet:
    """Prepares the dataset, or returns it if it is already prepared.

    Raises:
      InputError: as `data.builder.prepare`.
    """
    return builder.prepare(**dataclasses.asdict(request), progress=progress)
