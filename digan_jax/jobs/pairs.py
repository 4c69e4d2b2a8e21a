"""`digan evaluate --pairs`: metrics of clips paired with their originals."""

from __future__ import annotations

import dataclasses

from digan_jax.errors import InputError
from digan_jax.evaluation import pairs
from digan_jax.host.arrays import MAX_BYTES
from digan_jax.host.progress import Progress
from digan_jax.jobs.requests import Request


@dataclasses.dataclass(frozen=True)
class PairsRequest(Request):
    """Clips and their originals.

    Attributes:
      fake, originals: folders of equally many clips; the n-th clips of both, in order of name, are a pair.
      size: centre-crop and resize frames to this many pixels a side; None: as they are.
      max_array_bytes: memory limit of the arrays in a .npz or .npy file.
      lpips: weights of LPIPS in one file or two, see `features.lpips.load`; empty: no LPIPS.

    Raises:
      InputError: an invalid size, or more than two files.
    """

    fake: str
    originals: str
    size: int | None = None
    lpips: tuple[str, ...] = ()
    max_array_bytes: int = MAX_BYTES

    def check(self) -> None:
        if self.size is not None and self.size < 1:
            raise InputError(f"size={self.size}: must be 1 pixel or more.")
        if len(self.lpips) > 2:
            raise InputError(f"lpips={list(self.lpips)}: {len(self.lpips)} files; give one, or the two parts.")


def run(request: PairsRequest, progress: Progress = Progress()) -> dict:
    """Metrics of every pair. Result and errors as `evaluation.pairs.evaluate`."""
    folders = request.fake, request.originals
    return pairs.evaluate(*folders, request.size, request.lpips, progress, request.max_array_bytes)
