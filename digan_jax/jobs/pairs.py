"""`digan evaluate --pairs`: clips against the originals they are versions of."""

from __future__ import annotations

import dataclasses

from digan_jax.errors import InputError
from digan_jax.evaluation import pairs
from digan_jax.host.progress import Progress
from digan_jax.jobs.requests import Request


@dataclasses.dataclass(frozen=True)
class PairsRequest(Request):
    """Which clips, and which originals.

    Attributes:
      fake: folder of clips. originals: of as many originals; a pair is the n-th of each in order of name.
      size: pixels a side that frames are cropped and resized to; None: as they are.
      lpips: weights of LPIPS, all in one file or in two parts; none: no LPIPS.
    """

    fake: str
    originals: str
    size: int | None = None
    lpips: tuple[str, ...] = ()

    def check(self) -> None:
        if self.size is not None and self.size < 1:
            raise InputError(f"size={self.size}: must be 1 pixel or more.")
        if len(self.lpips) > 2:
            raise InputError(f"lpips={list(self.lpips)}: {len(self.lpips)} files; give one, or the two parts.")


def run(request: PairsRequest, progress: Progress = Progress()) -> dict:
    """The numbers of every pair, see `evaluation.pairs.evaluate`. Raises InputError alike."""
    return pairs.evaluate(request.fake, request.originals, request.size, request.lpips, progress)
